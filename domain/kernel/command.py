"""What is asked, in which circumstances, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from uuid import UUID

from domain.kernel.actor import Actor

if TYPE_CHECKING:
    from eventsourcing.domain import AggregateEvent

    from domain.kernel.aggregate import Root
    from domain.kernel.ports import Passwords, Secrets, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """An imperative ask; may be refused."""

    needs_reason: ClassVar[bool] = False  # where the organization asks for a reason for each change

    def target(self) -> tuple[type[Root], UUID] | None:
        """The one aggregate whose version `If-Match` speaks of."""
        return None

    def organization(self) -> UUID | None:
        """The organization whose settings rule this command; None: the actor's active one."""
        return None


class Each(Protocol):
    """Decides commands that are parts of another one."""

    async def __call__(self, parts: Sequence[Command], store: Store, *, atomic: bool) -> Decision:
        """Each part by its own policy and handler; what changes is saved together, in one append.

        A part that is refused changes nothing and leaves the others alone, unless `atomic`: then it takes them all with it.
        Its answer is in the facts, as `results`: `id, status, version or problem`, in the order of the parts.

        Errors: BatchRefused.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything a handler may know besides the command.  The clock is read once a command."""

    actor: Actor
    now: datetime  # UTC
    new_id: Callable[[], UUID]
    passwords: Passwords
    secrets: Secrets
    each: Each | None = None  # given by the bus
    request_id: str = ""
    reason: str | None = None  # why, in the asker's words
    traceparent: str | None = None
    causation_position: int | None = None  # the event that led to this command
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a handler decided: aggregates whose new events are appended together, and the answer to give."""

    save: tuple[Root, ...] = ()
    answer: Any = None
    facts: dict[str, Any] = field(default_factory=dict)  # small JSON kept with the idempotency receipt
    actor: Actor | None = None  # whose act it turned out to be, where nobody was logged in before (register, login)
    fact: AggregateEvent | None = None  # an event for the end of its stream, whatever that stream's version
    guards: tuple[Root, ...] = ()  # unchanged, and relied on: if one of them moves meanwhile, it is decided anew


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's promise that requests with this key are one request."""

    caller_id: UUID
    key: str
    fingerprint: str  # hex SHA-256 of method, path, organization and body
