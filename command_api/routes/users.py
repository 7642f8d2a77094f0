"""Opening an account and changing one's own profile.  Source: contract, section 3."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field

from command_api.dependencies import dispatch
from domain.commands.users import DEFAULT_TIMEZONE, Register, ReviseProfile
from infrastructure.http.call import Reply
from infrastructure.http.documents import CommandCall, PublicCall, commands
from infrastructure.http.routing import JSON_OR_PATCH, Router, access
from infrastructure.http.values import Body, FreeForm, Text, Zone
from projections.answers.users import ProfileOut

auth = Router(prefix="/auth", tags=["users"])
users = Router(prefix="/users", tags=["users"])
routers = (auth, users)

USERNAME = re.compile(r"[A-Za-z0-9._-]{3,64}")
PREFERENCES_MAX = 100


def _email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False, allow_domain_literal=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None


def _username(text: str) -> str:
    if not USERNAME.fullmatch(text):
        raise ValueError("must have 3 to 64 letters, digits, `.`, `_` or `-`")
    return text


def _password(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    if not 8 <= len(text) <= 128:
        raise ValueError("must have 8 to 128 characters")
    return text


Email = Annotated[Annotated[str, Text(3, 320)], AfterValidator(_email), Field(examples=["ann@example.com"])]
Username = Annotated[str, AfterValidator(_username), Field(json_schema_extra={"pattern": "^[A-Za-z0-9._-]{3,64}$"})]
Name = Annotated[str, Text(1, 200)]
Password = Annotated[str, AfterValidator(_password), Field(json_schema_extra={"minLength": 8, "maxLength": 128})]


class Registration(Body):
    """A new account."""

    email: Email
    password: Password
    username: Username | None = None
    full_name: Name | None = None
    name: Annotated[Name | None, Field(description="The same as full_name, which wins.")] = None
    timezone: Zone = DEFAULT_TIMEZONE


class ProfilePatch(Body):
    """What one may change of one's own account; a JSON merge patch."""

    full_name: Name | None = None
    username: Username | None = None
    timezone: Zone = DEFAULT_TIMEZONE
    locale: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)] = "en"
    notification_preferences: Annotated[dict[str, Any], Field(max_length=PREFERENCES_MAX), FreeForm] = {}


@auth.post("/register", status_code=201, response_model=ProfileOut, operation_id="register", responses=commands(403, 409, 429, public=True))
@access(public=True)
async def register(body: Registration, call: PublicCall) -> Reply:
    """Open an account; it has a personal organization from the start."""
    settings = call.services.settings
    command = Register(
        email=body.email,
        password=body.password,
        username=body.username,
        full_name=body.full_name or body.name,
        timezone=body.timezone,
        is_open=settings.registration == "open",
        password_length_min=settings.password_min_length,
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
