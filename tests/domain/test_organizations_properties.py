"""Organizations under any course of events: never without an owner, everybody in them once, and replay gives the same state."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.aggregates.organization_values import AlreadyMember, LastOwner, PersonalOrganization
from domain.aggregates.organizations import Organization
from domain.kernel.actor import Role
from domain.kernel.errors import NotFound
from domain.kernel.mail_tokens import InvalidMailToken
from infrastructure.event_store import snapshots
from tests.support.given import replayed, state_of
from tests.support.world import NOON, THIS

PEOPLE = [UUID(int=n) for n in range(1, 5)]
people, roles = st.sampled_from(PEOPLE), st.sampled_from(list(Role))


class Clinic(RuleBasedStateMachine):
    """A few people who let each other in and out, and give away what they can."""

    @initialize(personal=st.booleans())
    def begin(self, personal: bool) -> None:
        self.clinic = Organization(id=THIS, name="Clinic", timezone="UTC", currency="EUR", personal=personal, owner_id=PEOPLE[0])
        self.expected: dict[UUID, Role] = {PEOPLE[0]: Role.OWNER}
        self.invited: dict[UUID, tuple[UUID, Role, datetime]] = {}
        self.now = NOON
        self.count = 100

    @rule(who=people, role=roles)
    def somebody_is_let_in(self, who: UUID, role: Role) -> None:
        try:
            self.clinic.add_member(who, role)
        except AlreadyMember:
            assert who in self.expected
            return
        assert who not in self.expected
        self.expected[who] = role

    @rule(who=people, role=roles)
    def somebody_becomes_something_else(self, who: UUID, role: Role) -> None:
        try:
            self.clinic.change_role(who, role)
        except NotFound:
            assert who not in self.expected
        except LastOwner:
            assert self.owners() == {who}
        except PersonalOrganization:
            assert who == self.clinic.personal_of
        else:
            self.expected[who] = role

    @rule(who=people)
    def somebody_goes(self, who: UUID) -> None:
        try:
            self.clinic.remove_member(who)
        except NotFound:
            assert who not in self.expected
        except PersonalOrganization:
            assert who == self.clinic.personal_of
        except LastOwner:
            assert self.owners() == {who}
        else:
            del self.expected[who]

    @rule(by=people, to=people)
    def somebody_gives_it_away(self, by: UUID, to: UUID) -> None:
        owners = self.owners()
        try:
            self.clinic.transfer_ownership(to_id=to, by_id=by)
        except NotFound:
            assert to not in self.expected
        except PersonalOrganization:
            assert self.clinic.personal
        else:
            former = ({by} if by in owners - {to} else owners) - {to}
            self.expected |= dict.fromkeys(former, Role.ADMIN) | {to: Role.OWNER}

    @rule(address=st.sampled_from([UUID(int=n) for n in (50, 51)]), role=roles)
    def somebody_is_invited(self, address: UUID, role: Role) -> None:
        self.count += 1
        expires_at = self.now + timedelta(days=7)
        self.clinic.invite(UUID(int=self.count), address_id=address, email="x@example.com", role=role, expires_at=expires_at, by_id=None)
        self.invited = {older: known for older, known in self.invited.items() if known[0] != address}
        self.invited[UUID(int=self.count)] = (address, role, expires_at)

    @rule(back=st.integers(0, 4), who=people)
    def somebody_uses_an_invitation(self, back: int, who: UUID) -> None:
        invitation_id = UUID(int=self.count - back)
        known = self.invited.get(invitation_id)
        try:
            self.clinic.accept_invitation(invitation_id, user_id=who, at=self.now)
        except InvalidMailToken:
            assert known is None or known[2] <= self.now
        except AlreadyMember:
            assert who in self.expected
        else:
            assert known is not None
            self.expected[who] = self.invited.pop(invitation_id)[1]

    @rule(back=st.integers(0, 4))
    def an_invitation_is_taken_back(self, back: int) -> None:
        invitation_id = UUID(int=self.count - back)
        try:
            self.clinic.revoke_invitation(invitation_id)
        except NotFound:
            assert invitation_id not in self.invited
        else:
            del self.invited[invitation_id]

    @rule(address=st.sampled_from([UUID(int=n) for n in (50, 51)]))
    def whatever_went_to_an_address_is_taken_back(self, address: UUID) -> None:
        self.clinic.revoke_invitations_of(address)
        self.invited = {i: known for i, known in self.invited.items() if known[0] != address}

    @rule(days=st.sampled_from([1, 6, 7]))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days)

    def owners(self) -> set[UUID]:
        return {who for who, role in self.expected.items() if role is Role.OWNER}

    @invariant()
    def it_is_what_happened_and_has_an_owner(self) -> None:
        assert self.clinic.members == self.expected
        assert self.owners()
        if self.clinic.personal:
            assert self.expected[PEOPLE[0]] is Role.OWNER

    @invariant()
    def the_log_tells_the_same(self) -> None:
        again = replayed(list(self.clinic.pending_events))  # type: ignore[arg-type]  # ours are AggregateEvents
        assert state_of(again) == state_of(self.clinic)
        assert state_of(snapshots.load(Organization, snapshots.dump(self.clinic))) == state_of(again)


TestClinic = Clinic.TestCase
TestClinic.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
