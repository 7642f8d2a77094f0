"""Erasing a person's data, and legal holds that forbid it.  Source: contract, section 9."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.aggregates.emails import Purpose, UserEmails
from domain.aggregates.erasures import LegalHold
from domain.aggregates.organizations import Organization
from domain.aggregates.reservations import Reservation
from domain.aggregates.users import User
from domain.commands.sessions import without_sessions
from domain.commands.users import superusers
from domain.kernel.aggregate import Root
from domain.kernel.command import Command, Context, Decision
from domain.kernel.ports import Store
from domain.kernel.registry import handles
from domain.kernel.text import folded

# (organization, invitation) for each that ever went to these addresses, which are named by the ids of their reservations.
FindInvitations = Callable[[Sequence[UUID]], Awaitable[Sequence[tuple[UUID, UUID]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfPerson(Command):
    """Base of commands on what is kept of somebody."""

    user_id: UUID

    def target(self) -> tuple[type[Root], UUID] | None:
        return User, self.user_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasePerson(OfPerson):
    """Destroy the keys of somebody's personal data, for good.  The account goes on as an id without a name."""

    invitations: FindInvitations | None = None  # to the person's addresses; None: nobody ever invited anybody


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceLegalHold(OfPerson):
    """Forbid the erasure of somebody's data."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftLegalHold(OfPerson):
    """Allow it again."""


@handles(ErasePerson)
async def erase_person(command: ErasePerson, store: Store, context: Context) -> Decision:
    user = await store.get(User, command.user_id)
    hold = await _hold(user, store)
    hold.must_be_off()
    if user.erased:
        return Decision()
    # While the key is there: a claim's stream is found by the value it is of.
    addresses = await _addresses(user, store, context)
    saves: list[Root] = [*addresses, *await _without_invitations(addresses, command.invitations, store)]
    for address in addresses:
        address.erase()
    if user.username is not None:
        name = await store.get(Reservation, context.secrets.keyed_id("username", folded(user.username)))
        name.release()
        saves.append(name)
    saves += [*await without_sessions(user, "erased", store), *await _without_mails(user, store)]
    if user.superuser and user.active:
        all_of_them = await superusers(store)
        all_of_them.leave(user.id)
        saves.append(all_of_them)
    user.erase()
    return Decision(save=(*saves, user), guards=(hold,))


@handles(PlaceLegalHold)
async def place_legal_hold(command: PlaceLegalHold, store: Store, context: Context) -> Decision:
    user = await store.peek(User, command.user_id)
    user.must_exist()
    hold = await _hold(user, store)
    hold.place(command.reason)
    return Decision(save=(hold,), guards=(user,))


@handles(LiftLegalHold)
async def lift_legal_hold(command: LiftLegalHold, store: Store, context: Context) -> Decision:
    hold = await _hold(await store.peek(User, command.user_id), store)
    hold.lift()
    return Decision(save=(hold,) if hold.version > 1 else ())  # whoever never was under one gets no stream of holds


async def _addresses(user: User, store: Store, context: Context) -> list[Reservation]:
    """Those that were ever theirs, and are nobody else's by now."""
    found: dict[UUID, Reservation] = {}
    for email in (user.email, *user.former_emails):
        held = await store.find(Reservation, context.secrets.keyed_id("email", folded(email)))
        if held is not None and held.owner_id in (None, user.id):
            found[held.id] = held
    return list(found.values())


async def _without_invitations(addresses: Sequence[Reservation], find: FindInvitations | None, store: Store) -> list[Root]:
    """Organizations without what they have open for somebody."""
    touched: dict[UUID, Organization] = {}
    found = await find([address.id for address in addresses]) if find is not None else ()
    for organization_id, invitation_id in found:
        organization = touched[organization_id] = await store.get(Organization, organization_id)
        if invitation_id in organization.invitations:
            organization.revoke_invitation(invitation_id)
    return list(touched.values())


async def _hold(user: User, store: Store) -> LegalHold:
    stream_id = LegalHold.id_for(user.id)
    return await store.find(LegalHold, stream_id) or LegalHold(id=stream_id, user_id=user.id)


async def _without_mails(user: User, store: Store) -> list[Root]:
    emails = await store.find(UserEmails, UserEmails.id_for(user.id))
    if emails is None:
        return []
    emails.void(*Purpose)
    return [emails]
