"""Ways of saying no.  A family tells what kind of no it is; the class beside the rule tells which.

An error's docstring is its message: facts are filled in from its keyword arguments, the remedy comes last.
`code` is public and permanent: clients match on it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar


class DomainError(Exception):
    """The request was refused."""

    code: ClassVar[str] = "refused"
    fact: Any = None  # an event to store although the request is refused

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The docstring's first paragraph with the facts filled in."""
        text = (type(self).__doc__ or "").split("\n\n")[0]
        return " ".join(text.split()).format_map({name: _in_words(value) for name, value in self.facts.items()})


def _in_words(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


class PolicyDenied(DomainError):
    """You may not do this."""

    code = "forbidden"


class InvariantViolated(DomainError):
    """The state of things does not allow this."""

    code = "conflict"


class NotFound(DomainError):
    """There is no {kind} {id} here."""

    code = "not-found"


class Invalid(DomainError):
    """What was sent parses but is not allowed.

    `pointer` is a JSON pointer into the body, `detail` a sentence.
    """

    code = "validation-error"

    def __init__(self, pointer: str, detail: str, type: str = "value_error") -> None:
        self.errors = [{"pointer": pointer, "detail": detail, "type": type}]
        super().__init__()


class Unauthenticated(DomainError):
    """Log in first."""

    code = "invalid-credentials"


class Unproven(DomainError):
    """What was sent as a proof proves nothing; ask for a new one."""

    code = "unproven"


class TooOften(DomainError):
    """This was asked for too often; try again in {retry_after_seconds} seconds."""

    code = "too-many-requests"

    def __init__(self, *, retry_after_seconds: int, **facts: Any) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(retry_after_seconds=retry_after_seconds, **facts)


class ReasonRequired(DomainError):
    """This organization asks for a reason for each change: send X-Change-Reason, or a `reason` in the body."""

    code = "change-reason-required"


class Stale(DomainError):
    """The resource is at version {current_version}, not the one you named: read it again and decide anew."""

    code = "stale-version"


class Conflict(DomainError):
    """Others kept changing the same things at the same moment.  Nothing was stored; send it again."""

    code = "conflict-try-again"


class BatchRefused(InvariantViolated):
    """{failed} of {asked} were refused, so none was changed; see `results`, or ask for it without `atomic`."""

    code = "bulk-refused"


class Unavailable(DomainError):
    """The service cannot take this at the moment.  Nothing was stored; try again shortly."""

    code = "unavailable"
    retry_after_seconds: ClassVar[int] = 1


class OutcomeUnknown(Unavailable):
    """The database was lost while this was being stored, and has not come back to tell.  Send it again with the same Idempotency-Key."""

    code = "outcome-unknown"
