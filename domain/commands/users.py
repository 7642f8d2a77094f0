"""Opening accounts and changing one's own profile.  Source: contract, section 3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.aggregates.emails import Purpose
from domain.aggregates.organizations import Organization
from domain.aggregates.reservations import AlreadyTaken, Reservation
from domain.aggregates.superusers import Superusers
from domain.aggregates.users import User
from domain.commands.emails import EmailTaken, claim, email_key, emails_of
from domain.commands.invitations import inviting
from domain.commands.organizations import DEFAULT_CURRENCY, default_organization
from domain.commands.passwords import DEFAULT_RULES, PasswordRules, check_password, known_of
from domain.kernel.actor import Actor, Role
from domain.kernel.aggregate import Root
from domain.kernel.command import Command, Context, Decision
from domain.kernel.errors import Invalid
from domain.kernel.merging import merged
from domain.kernel.ports import Store
from domain.kernel.registry import handles
from domain.kernel.text import folded

PERSONAL_ORGANIZATION_NAME = "Personal"
DEFAULT_TIMEZONE = "Asia/Kolkata"
PREFERENCES_LENGTH_MAX = 20_000  # characters of JSON


class UsernameTaken(AlreadyTaken):
    """This username is taken; choose another."""

    code = "username-taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Command):
    """Open an account: with a personal organization, or in the installation's; and in the one that somebody was invited to."""

    email: str
    password: str
    username: str | None = None
    full_name: str | None = None
    timezone: str = DEFAULT_TIMEZONE
    invitation_token: str | None = None
    is_open: bool = True  # whether this installation takes anybody
    needs_invitation: bool = False  # whether it takes those alone who were invited
    default_organization: str | None = None  # by its name in the settings; None: everybody gets a personal one
    default_role: Role = Role.USER
    rules: PasswordRules = DEFAULT_RULES


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeFirstSuperuser(Command):
    """Open the account that the settings name, unless its address is or was somebody's.  Asked by the installation itself at start."""

    email: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseProfile(Command):
    """Change one's own profile; only what was asked for.  `notification_preferences` is a merge patch of what is there."""

    changes: Mapping[str, Any]

    user_id: UUID

    def target(self) -> tuple[type[Root], UUID] | None:
        return User, self.user_id


@handles(Register)
async def register(command: Register, store: Store, context: Context) -> Decision:
    known = known_of(command.email, command.username, command.full_name)
    await check_password(command.password, "#/password", command.rules, known, context)
    return await _open_account(command, store, context, superuser=False)


@handles(MakeFirstSuperuser)
async def make_first_superuser(command: MakeFirstSuperuser, store: Store, context: Context) -> Decision:
    # Whoever had the address may have another one by now, or be erased: the password of the settings opens it never again.
    if await store.find(Reservation, email_key(command.email, context)) is not None:
        raise EmailTaken(scope="email")
    account = Register(email=command.email, password=command.password, full_name="Superuser")
    return await _open_account(account, store, context, superuser=True)


@handles(ReviseProfile)
async def revise_profile(command: ReviseProfile, store: Store, context: Context) -> Decision:
    user = await store.get(User, command.user_id)
    changed = await revised(user, command.changes, store, context)
    return Decision(save=(user, *changed), answer=user)


async def revised(user: User, wanted: Mapping[str, Any], store: Store, context: Context) -> list[Root]:
    """Give profile members new values; what else had to change for it.  Errors: UsernameTaken, Invalid."""
    changed: list[Root] = []
    changes = dict(wanted)
    if "username" in changes and changes["username"] != user.username:
        changed += await _rename(user, changes["username"], store, context)
    if "notification_preferences" in changes:
        preferences = changes["notification_preferences"] = merged(user.notification_preferences, changes["notification_preferences"])
        if len(json.dumps(preferences)) > PREFERENCES_LENGTH_MAX:
            raise Invalid("#/notification_preferences", f"must not come to more than {PREFERENCES_LENGTH_MAX} characters")
    user.revise_profile(changes, at=context.now)
    return changed


async def _open_account(command: Register, store: Store, context: Context, *, superuser: bool) -> Decision:
    user_id = context.new_id()
    held: list[Root] = [await claim("email", command.email, user_id, store, context, EmailTaken)]
    if command.username is not None:
        held.append(await claim("username", command.username, user_id, store, context, UsernameTaken))
    organizations, senders = await _organizations(user_id, command, store, context, held)
    home, *others = organizations
    user = User(
        id=user_id, email=command.email, username=command.username, full_name=command.full_name,
        password_hash=await context.passwords.hash(command.password), timezone=command.timezone, superuser=superuser,
        organization_id=home.id,
    )  # fmt: skip
    for organization in others:
        user.join(organization.id)
    if superuser:
        held.append(await _as_superuser(user, store))
    elif command.invitation_token is not None:
        user.verify_email()  # the token came to the address
    else:
        held.append(await _asked_to_verify(user, store, context))
    themselves = Actor(
        id=user_id, name=user.display_name, role=home.role_of(user_id), organization_id=home.id, superuser=superuser,
        address=context.actor.address,
    )  # fmt: skip
    return Decision(save=(*held, user, *organizations), answer=user, actor=themselves, guards=senders)


async def _organizations(
    user_id: UUID, command: Register, store: Store, context: Context, held: list[Root]
) -> tuple[list[Organization], tuple[User, ...]]:
    """Where somebody new belongs, the first is where they begin; and whose rights that rests on.  `held` gains what else is to be saved.

    Errors: InvalidMailToken, InvitationForAnother.
    """
    found: list[Organization] = []
    senders: tuple[User, ...] = ()
    if command.invitation_token is not None:
        organization, invitation_id, senders = await inviting(command.invitation_token, command.email, store, context)
        organization.accept_invitation(invitation_id, user_id=user_id, at=context.now)
        found.append(organization)
    if command.default_organization is None:
        found.append(
            Organization(
                id=context.new_id(), name=PERSONAL_ORGANIZATION_NAME, timezone=command.timezone, currency=DEFAULT_CURRENCY, personal=True,
                owner_id=user_id,
            )
        )  # fmt: skip
        return found, senders
    organization, claimed = await default_organization(command.default_organization, store, context)
    held.append(claimed)
    if organization not in found:
        organization.add_member(user_id, command.default_role)
        found.append(organization)
    return found, senders


async def _asked_to_verify(user: User, store: Store, context: Context) -> Root:
    emails = await emails_of(user.id, store)
    emails.ask(Purpose.VERIFY, mail_id=context.new_id(), address=user.email, at=context.now)
    return emails


async def _as_superuser(user: User, store: Store) -> Root:
    all_of_them = await superusers(store)
    all_of_them.join(user.id)
    return all_of_them


async def superusers(store: Store) -> Superusers:
    """All active ones, if there was ever one."""
    return await store.find(Superusers, Superusers.the_id()) or Superusers(id=Superusers.the_id())


async def _rename(user: User, username: str | None, store: Store, context: Context) -> list[Root]:
    touched: list[Root] = []
    old = None if user.username is None else context.secrets.keyed_id("username", folded(user.username))
    new = None if username is None else context.secrets.keyed_id("username", folded(username))
    if old is not None and old != new:
        held = await store.get(Reservation, old)
        held.release()
        touched.append(held)
    if username is not None and old != new:
        touched.append(await claim("username", username, user.id, store, context, UsernameTaken))
    return touched
