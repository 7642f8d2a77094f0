"""Tasks: work that a member of an organization opens, assigns, moves and closes.  Source: contract, section 5."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, ClassVar, cast
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates.task_values import TRANSITIONS, Changes, Priority, Status
from domain.kernel.aggregate import FirstEvent, Root
from domain.kernel.errors import InvariantViolated, NotFound

__all__ = ["TRANSITIONS", "Changes", "IllegalTransition", "Priority", "Status", "Task", "TaskNotDeleted"]


class IllegalTransition(InvariantViolated):
    """A task cannot go from {current} to {wanted}; from there it may go to: {allowed}."""

    code = "illegal-transition"


class TaskNotDeleted(InvariantViolated):
    """Task {id} is not deleted, so there is nothing to restore."""

    code = "task-not-deleted"


class Task(Root):
    """Work to do.  Deleted ones are hidden, not gone."""

    TOPIC = "task"
    PARTIES = ("creator_id", "assignee_id")  # whose own it is

    class Event(Root.Event):
        """Base of the events below."""

    class Created(Event, FirstEvent):
        """Somebody opened a task."""

        TOPIC = "task.created"
        organization_id: UUID
        creator_id: UUID
        title: str  # 1..255 characters
        description: str  # up to 5,000 characters
        status: Status  # todo or in_progress
        priority: Priority
        assignee_id: UUID | None
        due_at: datetime | None  # UTC
        estimate_minutes: int | None
        tag_ids: tuple[UUID, ...]  # names belong to the tags: renaming one is no event here

    class Revised(Event):
        """Several fields have new values, or one that has no event of its own."""

        TOPIC = "task.revised"
        changes: Changes  # only what differs

    class Moved(Event):
        """The status alone, with `completed_at` where that follows from it."""

        TOPIC = "task.moved"
        changes: Changes

    class Assigned(Event):
        """The assignee alone."""

        TOPIC = "task.assigned"
        changes: Changes

    class Deleted(Event):
        """Hidden from lists and reads."""

        TOPIC = "task.deleted"

    class Restored(Event):
        """Back where it was."""

        TOPIC = "task.restored"

    class Commented(Event):
        """Somebody said something about it."""

        TOPIC = "task.commented"
        SAYS: ClassVar[Mapping[str, str]] = {"comment": "body"}
        comment_id: UUID
        author_id: UUID
        body: str  # 1..10,000 characters
        recipient_ids: tuple[UUID, ...] = ()  # who is to be told: assignee, creator and earlier commenters, but not the author

    class TimeLogged(Event):
        """Somebody spent time on it."""

        TOPIC = "task.time_logged"
        SAYS: ClassVar[Mapping[str, str]] = {"spent_on": "spent_on", "note": "note"}
        entry_id: UUID
        by_id: UUID
        minutes: int  # 1..1,440
        note: str
        spent_on: date  # by the calendar of whoever logged it

    @event(Created)
    def __init__(
        self,
        id: UUID,
        organization_id: UUID,
        creator_id: UUID,
        title: str,
        description: str,
        status: Status,
        priority: Priority,
        assignee_id: UUID | None,
        due_at: datetime | None,
        estimate_minutes: int | None,
        tag_ids: tuple[UUID, ...],
    ) -> None:
        self.organization_id = organization_id
        self.creator_id = creator_id
        self.title = title
        self.description = description
        self.status = status
        self.priority = priority
        self.assignee_id = assignee_id
        self.due_at = due_at
        self.estimate_minutes = estimate_minutes
        self.tag_ids = tag_ids
        self.logged_minutes = 0
        self.comments_count = 0
        self.commenter_ids: tuple[UUID, ...] = ()  # each once, in the order of their first comment
        self.completed_at: datetime | None = None
        self.deleted = False

    @property
    def organization(self) -> UUID | None:
        return self.organization_id

    def public_state(self) -> dict[str, Any]:
        return {
            "id": self.id, "title": self.title, "description": self.description, "status": self.status, "priority": self.priority,
            "assignee_id": self.assignee_id, "creator_id": self.creator_id, "due_at": self.due_at,
            "estimate_minutes": self.estimate_minutes, "logged_minutes": self.logged_minutes, "comments_count": self.comments_count,
            "created_at": self.created_on, "updated_at": self.modified_on, "completed_at": self.completed_at, "version": self.version,
            "tag_ids": self.tag_ids,
        }  # fmt: skip

    def revise(self, wanted: dict[str, Any], *, at: datetime) -> None:
        """Give fields new values, in one event; what is the same already is left out, and nothing at all makes no event.

        Errors: NotFound, IllegalTransition.
        """
        self._must_be_there()
        differing: dict[str, Any] = {name: value for name, value in wanted.items() if getattr(self, name) != value}
        if "status" in differing:
            differing |= self._moved_to(Status(differing["status"]), at)
        if not differing:
            return
        changes = cast(Changes, differing)
        if changes.keys() <= {"status", "completed_at"}:
            self._moved(changes=changes)
        elif changes.keys() == {"assignee_id"}:
            self._assigned(changes=changes)
        else:
            self._revised(changes=changes)

    def _moved_to(self, wanted: Status, at: datetime) -> dict[str, Any]:
        allowed = TRANSITIONS[self.status]
        if wanted not in allowed:
            raise IllegalTransition(id=self.id, current=self.status, wanted=wanted, allowed=[s.value for s in allowed])
        if wanted is Status.DONE:
            return {"completed_at": at}
        return {"completed_at": None} if self.completed_at is not None else {}

    def delete(self) -> None:
        """Hide the task.  Errors: NotFound (it is hidden already)."""
        self._must_be_there()
        self._deleted()

    def restore(self) -> None:
        """Show it again.  Errors: TaskNotDeleted."""
        if not self.deleted:
            raise TaskNotDeleted(id=self.id)
        self._restored()

    def comment(self, *, comment_id: UUID, by: UUID, body: str) -> None:
        """Errors: NotFound."""
        self._must_be_there()
        concerned = (self.assignee_id, self.creator_id, *self.commenter_ids)
        recipients = tuple(dict.fromkeys(person for person in concerned if person not in (None, by)))
        self._commented(comment_id=comment_id, author_id=by, body=body, recipient_ids=recipients)

    def log_time(self, *, entry_id: UUID, by: UUID, minutes: int, note: str, spent_on: date) -> None:
        """Errors: NotFound."""
        self._must_be_there()
        self._time_logged(entry_id=entry_id, by_id=by, minutes=minutes, note=note, spent_on=spent_on)

    def _must_be_there(self) -> None:
        if self.deleted:
            raise NotFound(kind="task", id=self.id)

    def _assign_values(self, changes: Changes) -> None:
        self.__dict__.update(changes)  # Changes names our own fields

    @event(Revised)
    def _revised(self, changes: Changes) -> None:
        self._assign_values(changes)

    @event(Moved)
    def _moved(self, changes: Changes) -> None:
        self._assign_values(changes)

    @event(Assigned)
    def _assigned(self, changes: Changes) -> None:
        self._assign_values(changes)

    @event(Deleted)
    def _deleted(self) -> None:
        self.deleted = True

    @event(Restored)
    def _restored(self) -> None:
        self.deleted = False

    @event(Commented)
    def _commented(self, comment_id: UUID, author_id: UUID, body: str, recipient_ids: tuple[UUID, ...] = ()) -> None:
        self.comments_count += 1
        self.commenter_ids = tuple(dict.fromkeys((*self.commenter_ids, author_id)))

    @event(TimeLogged)
    def _time_logged(self, entry_id: UUID, by_id: UUID, minutes: int, note: str, spent_on: date) -> None:
        self.logged_minutes += minutes
