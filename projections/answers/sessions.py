"""What a login gives."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from infrastructure.http.values import Answer
from projections.answers.users import MembershipOut, ProfileOut


class SwitchedOut(Answer):
    """A new access token of the same login session, and for which organization it is."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: Annotated[int, Field(description="Seconds the access token lives.")]
    refresh_expires_in: Annotated[int, Field(description="Seconds until the login session ends.")]
    user: ProfileOut
    organization: MembershipOut | None


class LoggedInOut(SwitchedOut):
    """A login session's tokens, and whom they are for."""

    refresh_token: str
