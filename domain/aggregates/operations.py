"""What administrators do to the installation: each act is an event, like any other."""

from __future__ import annotations

from uuid import UUID

from domain.kernel.aggregate import UNRECORDED, Root, derived_id


class Operations(Root):
    """The acts on one thing of the installation, such as a read model."""

    TOPIC = "operation"

    class Event(Root.Event):
        """Base of the event below."""

    class Requested(Event):
        """An administrator asked for it: rebuild, rollback, drop-old, forget, pause, resume, cancel, retry, skip, rotate, retire."""

        TOPIC = "operation.requested"
        SUMMARY = "{act} {target}"
        act: str
        target: str  # `projection tasks`, `rebuild <id>`, `dead letter <id> (event 53 of tasks)`, `signing key <kid>`

    @staticmethod
    def request(act: str, kind: str, name: str | UUID, about: str = "") -> Operations.Requested:
        """The fact of an act.  `about`: what a name stands for that will tell nobody anything later."""
        target = f"{kind} {name}"
        return Operations.Requested(  # type: ignore[call-arg]  # the metaclass makes it a dataclass
            originator_id=derived_id("operation", target),
            originator_version=0,
            timestamp=UNRECORDED,
            act=act,
            target=f"{target} ({about})" if about else target,
        )
