"""Answers that are kept under idempotency keys, and what came of a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from domain.kernel.aggregate import Root
from domain.kernel.command import Decision
from domain.kernel.errors import Invalid, InvariantViolated


class KeyReused(Invalid):
    """This Idempotency-Key was used for another request; choose a new key for each new request."""

    code = "idempotency-key-reused"

    def __init__(self) -> None:
        super().__init__("Idempotency-Key", "was used for another request", "reused")


class KeyInFlight(InvariantViolated):
    """A request with this Idempotency-Key is being worked on; wait for its answer."""

    code = "idempotency-key-in-flight"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command."""

    answer: Any  # of the handler; on a replay the aggregate as it was when it was first answered
    position: int  # of the last event, or of the decision
    facts: dict[str, Any]
    replayed: bool = False
    events_count: int = 0


def outcome_text(decision: Decision) -> str:
    """An answer that is an aggregate is kept as its version: its history gives the same body again."""
    named = {}
    if isinstance(decision.answer, Root):
        named = {"kind": decision.answer.TOPIC, "id": decision.answer.id, "version": decision.answer.version}
    return orjson.dumps({**named, "facts": decision.facts}).decode()
