"""Which reactions there are and to which events.  Declaring is registering; doubles and gaps stop the start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from eventsourcing.domain import AggregateEvent

from domain.kernel import registry as commands
from domain.kernel.aggregate import event_types
from domain.kernel.registry import RegistrationError
from domain.kernel.upcasting import check_upcasting
from infrastructure.discovery import import_room
from infrastructure.reactions import Wanted
from workers.queues import Queue

if TYPE_CHECKING:
    from workers.acting import Act

E = TypeVar("E")
ROOMS = ("domain.aggregates", "domain.commands", "domain.policies", "workers.reactions")
MAX_RETRIES = 12  # some half an hour


@dataclass(frozen=True, slots=True)
class Recorded(Generic[E]):
    """An event as reactions see it.  `data` is the event of class E, personal fields opened (`[erased]` once the key is gone)."""

    position: int
    stream_id: UUID
    version: int
    recorded_at: datetime
    organization_id: UUID | None
    actor_id: UUID | None
    actor_name: str | None  # as they were called then
    data: E


React = Callable[[Recorded[Any], "Act"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reaction:
    """What is to happen whenever one of these events has happened."""

    name: str  # `feature.verb`: kept with each event it was run for, so permanent
    topics: tuple[str, ...]
    needs: Mapping[str, str]  # by topic: a member of the event's data without which nothing follows
    queue: Queue
    max_retries: int
    function: React


class Registry:
    """All declarations of one program; tests make registries of their own."""

    def __init__(self) -> None:
        self.reactions: dict[str, Reaction] = {}

    def reacts_to(
        self,
        *events: type[AggregateEvent],
        queue: Queue = Queue.COMMANDS,
        max_retries: int = MAX_RETRIES,
        needs: Mapping[type[AggregateEvent], str] | None = None,
    ) -> Callable[[React], React]:
        """Declare a reaction: an async function of the event and `Act`, which may run more than once for one event.

        `needs`: for events that nothing follows from most of the time, a member of their data (`changes.assignee_id`) that must
        be there and be neither null nor an empty list; the others cost no job.
        `max_retries`: after a failed first attempt, with growing pauses; then it is a dead letter.
        """

        def register(function: React) -> React:
            name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
            if name in self.reactions:
                raise RegistrationError(f"reaction {name!r} is declared twice")
            if not events:
                raise RegistrationError(f"reaction {name!r} reacts to nothing")
            topics = tuple(getattr(event_class, "TOPIC", "") for event_class in events)
            required = {getattr(event_class, "TOPIC", ""): member for event_class, member in (needs or {}).items()}
            self.reactions[name] = Reaction(name, topics, required, queue, max_retries, function)
            return function

        return register

    def check(self) -> None:
        """Errors: RegistrationError, naming all faults at once."""
        faults = []
        for reaction in self.reactions.values():
            faults += [f"reaction {reaction.name!r} reacts to the unknown topic {t!r}" for t in reaction.topics if t not in event_types()]
            if len(set(reaction.topics)) < len(reaction.topics):
                faults.append(f"reaction {reaction.name!r} names a topic twice")
            faults += [
                f"reaction {reaction.name!r} needs a member of {t!r}, which it does not react to"
                for t in reaction.needs.keys() - {*reaction.topics}
            ]
        if faults:
            raise RegistrationError("; ".join(faults))

    def wanted(self) -> Iterator[Wanted]:
        """What the relay looks for in the log."""
        for reaction in self.reactions.values():
            for topic in reaction.topics:
                yield Wanted(topic, reaction.name, reaction.queue.value.name, reaction.needs.get(topic, ""))


_registry = Registry()
reacts_to = _registry.reacts_to


def load() -> Registry:
    """Import every declaration and check them all.  Errors: RegistrationError, BrokenUpcasting."""
    for room in ROOMS:
        import_room(room)
    check_upcasting()
    commands.check()
    _registry.check()
    return _registry
