"""Changing one's password, and choosing a new one by a mailed token.  Source: contract, section 3."""

from __future__ import annotations

from command_api.dependencies import run, told
from command_api.guesses import as_confirmation, attempts_of
from command_api.mailing import mails_limit
from command_api.people import KnownEmail, MailedToken, Password, SentPassword, password_rules
from domain.commands.passwords import ChangePassword, ForgetPassword, ResetPassword
from infrastructure.attempts import of_account
from infrastructure.http.call import Reply
from infrastructure.http.documents import CommandCall, PublicCall, commands
from infrastructure.http.routing import Router, access
from infrastructure.http.values import Body

router = Router(prefix="/auth", tags=["users"])


class PasswordChange(Body):
    """The old password and the new one."""

    current_password: SentPassword
    new_password: Password


class Forgotten(Body):
    """An address that may be somebody's."""

    email: KnownEmail


class PasswordReset(Body):
    """The token of a mail, and the new password."""

    token: MailedToken
    new_password: Password


@router.post("/change-password", status_code=204, operation_id="changePassword", responses=commands(403, 429))
@access(organization=False)
async def change_password(body: PasswordChange, call: CommandCall) -> Reply:
    """Choose a new password; your other login sessions end."""
    rules = password_rules(call.services.settings)
    command = ChangePassword(current_password=body.current_password, new_password=body.new_password, rules=rules)
    return Reply(204, b"", told(await as_confirmation(call, lambda: run(call, command))))


@router.post("/forgot-password", status_code=202, operation_id="forgotPassword", responses=commands(429, public=True))
@access(public=True)
async def forgot_password(body: Forgotten, call: PublicCall) -> Reply:
    """Have a mail sent by which a new password can be chosen, if there is such an account; nothing tells whether.

    Ten such mails an hour go out; whoever asks for more has the last one, which stays good.
    """
    await run(call, ForgetPassword(email=body.email, mails_limit=mails_limit(call)))
    return Reply(202)


@router.post("/reset-password", status_code=204, operation_id="resetPassword", responses=commands(429, public=True))
@access(public=True)
async def reset_password(body: PasswordReset, call: PublicCall) -> Reply:
    """Choose a new password by a mailed token, within an hour, once; all login sessions end."""
    command = ResetPassword(token=body.token, new_password=body.new_password, rules=password_rules(call.services.settings))
    outcome = await run(call, command)
    await attempts_of(call).forgive(of_account(outcome.answer.id))  # failed logins are held against them no longer
    return Reply(204, b"", told(outcome))
