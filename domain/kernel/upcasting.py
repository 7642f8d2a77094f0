"""The steps from every older shape of an event to the one of today: checked as a whole, at the start of every process.

A step is a static method of the event class, `upcast_v1_v2(state)`, one for each version before the newest.  An event that the
log holds in an older shape must find its way; what is written here twice, or leads nowhere, is a mistake that would be found
out in production by one old event.
"""

from __future__ import annotations

import re

from domain.kernel.aggregate import EventType, event_types

_STEP = re.compile(r"upcast_v(\d+)_v(\d+)")
VERSION_MAX = 32_767  # of a shape: what the log's column holds


class BrokenUpcasting(Exception):
    """Upcasting is not whole; one line per fault."""


def check_upcasting() -> None:
    """Errors: BrokenUpcasting, naming all faults at once."""
    if faults := faults_of_upcasting():
        raise BrokenUpcasting("\n".join(faults))


def faults_of_upcasting() -> list[str]:
    """Of every topic that is known: gaps, doubles, versions that do not exist."""
    return [fault for topic in sorted(event_types()) for fault in _faults(event_types()[topic])]


def _faults(kind: EventType) -> list[str]:
    topic, newest = kind.topic, kind.version
    if not 1 <= newest <= VERSION_MAX:
        return [f"{topic} is at version {newest}; versions go from 1 to {VERSION_MAX:,}"]
    names = [name for name in dir(kind.event_class) if name.startswith("upcast_")]
    strange = [name for name in names if not _is_step(name)]
    faults = [f"{topic} has {name}, which is no step from one version to the next" for name in strange]
    steps = sorted(int(name.partition("_v")[2].partition("_")[0]) for name in names if name not in strange)
    faults += [f"{topic} has two steps from version {version}" for version in sorted({v for v in steps if steps.count(v) > 1})]
    faults += [
        f"{topic} is at version {newest} but has {'no ' if v < newest else 'a needless '}upcast_v{v}_v{v + 1}"
        for v in sorted(set(steps) ^ set(range(1, newest)))
    ]
    stuck = [v for v in steps if not callable(getattr(kind.event_class, f"upcast_v{v}_v{v + 1}", None))]
    return faults + [f"{topic}.upcast_v{v}_v{v + 1} cannot be called" for v in stuck]


def _is_step(name: str) -> bool:
    found = _STEP.fullmatch(name)
    return found is not None and name == f"upcast_v{int(found[1])}_v{int(found[1]) + 1}" and int(found[1]) > 0
