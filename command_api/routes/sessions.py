"""Logging in, refreshing and logging out.  Source: contract, section 3."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import parse_qs
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from command_api.dependencies import run, told
from command_api.guesses import as_login
from command_api.logins import logged_in
from command_api.people import written_alike
from domain.commands.sessions import (
    EndSession,
    LogIn,
    LogOut,
    LogOutEverywhere,
    RefreshSession,
    SwitchOrganization,
)
from domain.kernel.command import Command
from domain.kernel.refresh_tokens import InvalidRefreshToken, RefreshToken
from infrastructure.http import problems as refusals
from infrastructure.http.call import Call, Reply
from infrastructure.http.cookies import REFRESH_COOKIE, cleared_cookie, cookie, same_site_only
from infrastructure.http.documents import CommandCall, PublicCall, commands
from infrastructure.http.parsing import parsed_body
from infrastructure.http.routing import Router, access
from infrastructure.http.values import Body, ReasonBody, Text
from projections.answers.sessions import LoggedInOut, SwitchedOut

router = Router(prefix="/auth", tags=["sessions"])
FORM = "application/x-www-form-urlencoded"
REMEMBERED_DAYS = 30


class Credentials(Body):
    """Who you are, by one of email, username and identifier, and a password."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["email"]}, {"required": ["username"]}, {"required": ["identifier"]}],
            "examples": [{"email": "ann@example.com", "password": "correct horse battery"}],
        }
    )

    email: Annotated[str, Text(1, 320)] = Field("", examples=["ann@example.com"])
    username: Annotated[str, Text(1, 320)] = Field("", examples=["ann"])
    identifier: Annotated[str, Text(1, 320)] = Field("", description="Email or username.")
    password: Annotated[str, Field(min_length=1, max_length=1024)]
    device_name: Annotated[str, Text(0, 200)] = ""
    remember_me: Annotated[bool, Field(description="Stay logged in for 30 days, not 7.")] = False

    @model_validator(mode="after")
    def _one_name(self) -> Credentials:
        if len({"email", "username", "identifier"} & self.model_fields_set) != 1:
            raise ValueError("give one of email, username and identifier")
        return self

    @property
    def name(self) -> str:
        """Whichever was given."""
        return written_alike(self.email or self.username or self.identifier)


class LoginForm(BaseModel):
    """The OAuth2 password form; its other members are ignored."""

    model_config = ConfigDict(extra="ignore")

    username: Annotated[str, Text(1, 320)]
    password: Annotated[str, Field(min_length=1, max_length=1024)]


class RefreshBody(Body):
    """A refresh token, where it does not come as a cookie."""

    refresh_token: Annotated[str | None, Field(max_length=200)] = None


class Switch(Body):
    """Where to work from here on."""

    organization_id: UUID


_FORM_DOCUMENT = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": Credentials.model_json_schema(ref_template="#/components/schemas/{model}")},
            FORM: {"schema": LoginForm.model_json_schema()},
        },
    }
}


@router.post(
    "/login",
    response_model=LoggedInOut,
    operation_id="logIn",
    responses=commands(401, 403, 409, 429, public=True),
    openapi_extra=_FORM_DOCUMENT,
)
@access(public=True, media_types=("application/json", FORM))
async def log_in(call: PublicCall) -> Reply:
    """Log in by JSON, or by the OAuth2 password form (so that the documents' Authorize button works)."""
    if (call.header(b"content-type") or "").lower().startswith(FORM):
        same_site_only(call)  # any page can send a form, and would have its reader work in an account of its own choice
        credentials: Any = _from_form(call.body)
    else:
        credentials = parsed_body(Credentials, call.body)
    assert isinstance(credentials, Credentials), "both readings give credentials"
    return await _log_in(call, credentials)


@router.post("/login/json", response_model=LoggedInOut, operation_id="logInByJson", responses=commands(401, 403, 409, 429, public=True))
@access(public=True)
async def log_in_by_json(body: Credentials, call: PublicCall) -> Reply:
    """Log in."""
    return await _log_in(call, body)


@router.post("/refresh", response_model=LoggedInOut, operation_id="refreshSession", responses=commands(401, 403, 429, public=True))
@access(public=True)
async def refresh(call: PublicCall, body: RefreshBody | None = None) -> Reply:
    """Spend a refresh token, from the cookie or the body, for a new pair."""
    outcome = await run(call, RefreshSession(refresh_token=_given_token(call, body)), with_key=False)
    return await logged_in(call, outcome.answer, told(outcome))


@router.post("/logout", status_code=204, operation_id="logOut", responses=commands(401, 403, public=True))
@access(public=True)
async def log_out(call: PublicCall, body: RefreshBody | None = None) -> Reply:
    """End this login session, by access token, cookie or refresh token."""
    return await _end(call, body, LogOut)


@router.post("/logout-all", status_code=204, operation_id="logOutEverywhere", responses=commands(401, 403, public=True))
@access(public=True)
async def log_out_everywhere(call: PublicCall, body: RefreshBody | None = None) -> Reply:
    """End all your login sessions."""
    return await _end(call, body, LogOutEverywhere)


@router.delete("/sessions/{session_id}", status_code=204, operation_id="endSession", responses=commands(404))
@access(organization=False)
async def end_session(session_id: UUID, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """End one of your login sessions."""
    return Reply(204, b"", told(await run(call, EndSession(session_id=session_id), reason=body.reason if body else None)))


@router.post("/switch-organization", response_model=SwitchedOut, operation_id="switchOrganization", responses=commands(404))
@access(organization=False)
async def switch_organization(body: Switch, call: CommandCall) -> Reply:
    """Make another organization of yours the active one of this login session; it stays so through refreshes."""
    outcome = await run(call, SwitchOrganization(organization_id=body.organization_id), with_key=False)
    return await logged_in(call, outcome.answer, told(outcome))


async def _log_in(call: Call, credentials: Credentials) -> Reply:
    settings = call.services.settings
    days = settings.refresh_token_expire_days
    if credentials.remember_me:
        days = max(days, REMEMBERED_DAYS)
    command = LogIn(
        identifier=credentials.name, password=credentials.password, device_name=credentials.device_name, lifetime=timedelta(days=days),
        session_limit=settings.session_limit, evict=settings.session_limit_policy == "evict",
        needs_verified_email=settings.require_verified_email,
    )  # fmt: skip
    outcome = await as_login(call, credentials.name, lambda: run(call, command, with_key=False))
    return await logged_in(call, outcome.answer, told(outcome))


async def _end(call: Call, body: RefreshBody | None, command: type[LogOut | LogOutEverywhere]) -> Reply:
    outcome = await run(call, await _whose(call, body, command), with_key=False)
    return Reply(204, b"", [*told(outcome), cleared_cookie(call.services.settings)])


async def _whose(call: Call, body: RefreshBody | None, command: type[LogOut | LogOutEverywhere]) -> Command:
    """By access token where there is a good one, else by refresh token: a browser may have slept longer than the first lives."""
    useless: Exception = refusals.NotLoggedIn()
    if call.header(b"authorization"):
        try:
            await call.services.authenticator.admit_without_organization(call)
        except refusals.NotLoggedIn as error:
            useless = error
        else:
            assert call.actor.id is not None, "whoever was admitted is somebody"
            assert call.actor.session_id is not None, "and came with a login session"
            return command(user_id=call.actor.id, session_id=call.actor.session_id)
    text = _given_token(call, body, or_else=useless)
    token = RefreshToken.parse(text)
    return command(user_id=token.user_id, session_id=token.session_id, refresh_token=text)


def _given_token(call: Call, body: RefreshBody | None, *, or_else: Exception | None = None) -> str:
    """From the body, else from the cookie, which is believed from our own pages only.  Errors: ForeignOrigin, InvalidRefreshToken."""
    if body is not None and body.refresh_token is not None:
        return body.refresh_token
    text = cookie(call, REFRESH_COOKIE)
    if text is None:
        raise or_else or InvalidRefreshToken()
    same_site_only(call)
    return text


def _from_form(body: bytes) -> Credentials:
    try:
        fields = {
            name: values[-1] for name, values in parse_qs(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=50).items()
        }
        form = LoginForm.model_validate(fields)
    except (UnicodeDecodeError, ValueError) as error:
        if isinstance(error, ValidationError):
            faults = [{"pointer": f"#/{f['loc'][0]}", "detail": f["msg"], "type": f["type"]} for f in error.errors(include_url=False)]
            raise refusals.InvalidRequest(faults) from None
        raise refusals.InvalidRequest([{"pointer": "#", "detail": "must be a UTF-8 form", "type": "form"}]) from None
    return Credentials.model_validate({"identifier": form.username, "password": form.password})
