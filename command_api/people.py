"""What bodies say of people: addresses, names, passwords."""

from __future__ import annotations

import re
from typing import Annotated, Any

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field

from domain.commands.passwords import PasswordRules
from domain.commands.users import DEFAULT_TIMEZONE
from infrastructure.http.values import Body, FreeForm, Text, Zone, composed, fault_in_text
from infrastructure.settings import Settings

USERNAME = re.compile(r"[A-Za-z0-9._-]{3,64}")
PREFERENCES_MAX = 100
PASSWORD_LENGTH_MAX = 128  # characters


def _email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False, allow_domain_literal=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None


def _username(text: str) -> str:
    if not USERNAME.fullmatch(text):
        raise ValueError("must have 3 to 64 letters, digits, `.`, `_` or `-`")
    return text


def _named(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def written_alike(name: str) -> str:
    """An address as accounts have it, whichever way its domain is written (`xn--...`); what is no address stays as it is."""
    if "@" not in name:
        return name
    try:
        return _email(name)
    except ValueError:
        return name


def _password(text: str) -> str:
    if fault := fault_in_text(text, multiline=True):
        raise ValueError(fault)
    text = composed(text, PASSWORD_LENGTH_MAX)
    if not 8 <= len(text) <= PASSWORD_LENGTH_MAX:
        raise ValueError("must have 8 to 128 characters")
    return text


Email = Annotated[Annotated[str, Text(3, 320)], AfterValidator(_email), Field(examples=["ann@example.com"])]
Username = Annotated[str, AfterValidator(_username), Field(json_schema_extra={"pattern": "^[A-Za-z0-9._-]{3,64}$"})]
KnownEmail = Annotated[Annotated[str, Text(1, 320)], AfterValidator(written_alike)]
"""One to be looked for: it may be anything."""
Name = Annotated[Annotated[str, Text(1, 200)], AfterValidator(_named)]
Password = Annotated[str, AfterValidator(_password), Field(json_schema_extra={"minLength": 8, "maxLength": 128})]
"""A new one; whether it is good enough is decided by the command."""
SentPassword = Annotated[str, Field(min_length=1, max_length=1024)]
"""One to be compared."""
MailedToken = Annotated[str, Field(min_length=1, max_length=200)]


def _preferences(given: dict[str, Any]) -> dict[str, Any]:
    """Whoever declines mails in words that mean nothing to us would go on getting them."""
    email = given.get("email")
    said = email.values() if isinstance(email, dict) else [email]
    if any(value is not None and not isinstance(value, bool) for value in said):
        raise ValueError("email must be true or false, for all notifications or for each kind")
    return given


_YES_OR_NO = {"type": ["boolean", "null"]}
Preferences = Annotated[
    dict[str, Any],
    Field(
        max_length=PREFERENCES_MAX,
        description="A merge patch.  `email` says which notifications come by mail too: false for none, or false for some kinds."
        "  Other members are kept for clients.",
        json_schema_extra={"properties": {"email": {"anyOf": [_YES_OR_NO, {"type": "object", "additionalProperties": _YES_OR_NO}]}}},
        examples=[{"email": {"task_assigned": False}}],
    ),
    FreeForm,
    AfterValidator(_preferences),
]


class ProfilePatch(Body):
    """What may be changed of an account; a JSON merge patch."""

    full_name: Name | None = None
    username: Username | None = None
    timezone: Zone = DEFAULT_TIMEZONE
    locale: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)] = "en"
    notification_preferences: Preferences = {}


def password_rules(settings: Settings) -> PasswordRules:
    """How good a new password must be here."""
    return PasswordRules(length_min=settings.password_min_length, score_min=settings.password_min_score)
