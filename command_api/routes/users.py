"""Opening an account and changing one's own profile.  Source: contract, section 3."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from command_api.dependencies import dispatch
from command_api.people import Email, Name, Password, ProfilePatch, Username, password_rules
from domain.commands.users import DEFAULT_TIMEZONE, Register, ReviseProfile
from domain.kernel.actor import Role
from infrastructure.http.call import Reply
from infrastructure.http.documents import CommandCall, PublicCall, commands
from infrastructure.http.routing import JSON_OR_PATCH, Router, access
from infrastructure.http.values import Body, Zone
from projections.answers.users import ProfileOut

auth = Router(prefix="/auth", tags=["users"])
users = Router(prefix="/users", tags=["users"])
routers = (auth, users)


MAILED = Field(max_length=200, description="Of an invitation's mail: you are in that organization from the start.")


class Registration(Body):
    """A new account."""

    email: Email
    password: Password
    username: Username | None = None
    full_name: Name | None = None
    name: Annotated[Name | None, Field(description="The same as full_name, which wins.")] = None
    timezone: Zone = DEFAULT_TIMEZONE
    invitation_token: Annotated[str, MAILED] | None = None


@auth.post("/register", status_code=201, response_model=ProfileOut, operation_id="register", responses=commands(403, 409, 429, public=True))
@access(public=True)
async def register(body: Registration, call: PublicCall) -> Reply:
    """Open an account; it has a personal organization from the start, or belongs to that of the installation."""
    settings = call.services.settings
    command = Register(
        email=body.email,
        password=body.password,
        username=body.username,
        full_name=body.full_name or body.name,
        timezone=body.timezone,
        invitation_token=body.invitation_token,
        is_open=settings.registration != "closed",
        needs_invitation=settings.registration == "invite",
        default_organization=settings.default_organization,
        default_role=Role(settings.default_role),
        rules=password_rules(settings),
    )
    return await dispatch(call, command, status=201, at="/api/v1/users")


async def _revise(body: ProfilePatch, call: CommandCall) -> Reply:
    """Change your own profile."""
    assert call.actor.id is not None, "the edge lets nobody else in"
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    return await dispatch(call, ReviseProfile(user_id=call.actor.id, changes=changes))


_patched: dict[str, Any] = {"response_model": ProfileOut, "responses": commands(409, 412)}
access(organization=False, media_types=JSON_OR_PATCH)(_revise)
auth.patch("/me", operation_id="updateMe", **_patched)(_revise)
users.patch("/me", operation_id="updateMyUser", **_patched)(_revise)
