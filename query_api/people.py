"""Arrays of what belongs to people: whose is what, and sums for each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
WHO = np.dtype([("who", "V16")])  # bytes of an id


Amounts = tuple[list[str], Mapping[str, Numbers]]  # whose, and by name how much of each of them


def by_person(whose: NDArray[Any]) -> tuple[list[str], Numbers]:
    """Who there are, and of each entry the place of whose it is among them.  `whose`: V16."""
    halves = np.frombuffer(whose.tobytes(), ">u8").astype(np.uint64).reshape(-1, 2)
    order = np.lexsort(halves.T)
    ordered = halves[order]
    is_first = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))[: len(ordered)]
    places = np.empty(len(order), np.int64)
    places[order] = np.cumsum(is_first) - 1
    return [str(UUID(bytes=who)) for who in whose[order][is_first].tolist()], places


def sums_of(amounts: Numbers, places: Numbers, count: int) -> Numbers:
    """Of so many people.  Whole numbers: as floats they would not be exact."""
    found = np.zeros(count, np.int64)
    np.add.at(found, places, amounts)
    return found
