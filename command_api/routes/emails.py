"""Proving an address by a mailed token, and changing it.  Source: contract, section 3."""

from __future__ import annotations

from command_api.dependencies import dispatch, run, told
from command_api.guesses import as_confirmation
from command_api.mailing import mails_limit
from command_api.people import Email, KnownEmail, MailedToken, SentPassword
from domain.commands.emails import ChangeEmail, ResendVerification, VerifyEmail
from infrastructure.http.call import Reply
from infrastructure.http.documents import CommandCall, PublicCall, commands
from infrastructure.http.routing import Router, access
from infrastructure.http.values import Body
from projections.answers.users import ProfileOut

router = Router(prefix="/auth", tags=["users"])


class Proof(Body):
    """The token of a mail."""

    token: MailedToken


class Address(Body):
    """An address that may be somebody's."""

    email: KnownEmail


class NewAddress(Body):
    """Where one wants to get mails from here on."""

    new_email: Email
    password: SentPassword


@router.post("/verify-email", response_model=ProfileOut, operation_id="verifyEmail", responses=commands(409, 429, public=True))
@access(public=True)
async def verify_email(body: Proof, call: PublicCall) -> Reply:
    """Prove an address by the token that was mailed to it, within 24 hours, once."""
    return await dispatch(call, VerifyEmail(token=body.token))


@router.post("/resend-verification", status_code=202, operation_id="resendVerification", responses=commands(429, public=True))
@access(public=True)
async def resend_verification(body: Address, call: PublicCall) -> Reply:
    """Have the mail sent once more, if there is such an account and its address is not verified; nothing tells whether.

    Ten such mails an hour go out; whoever asks for more has the last one, which stays good.
    """
    await run(call, ResendVerification(email=body.email, mails_limit=mails_limit(call)))
    return Reply(202)


@router.post("/change-email", status_code=202, operation_id="changeEmail", responses=commands(403, 409, 412, 429))
@access(organization=False)
async def change_email(body: NewAddress, call: CommandCall) -> Reply:
    """Have a mail sent to another address, whose token makes it yours; a notice goes to the old one."""
    assert call.actor.id is not None, "the edge lets nobody else in"
    command = ChangeEmail(user_id=call.actor.id, new_email=body.new_email, password=body.password, mails_limit=mails_limit(call))
    return Reply(202, b"", told(await as_confirmation(call, lambda: run(call, command))))
