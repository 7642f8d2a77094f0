"""New devices: a user agent that was not seen for 90 days, but not the first login.  Source: contract, section 8."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from domain.aggregates.sessions import KEPT_AGENTS, NEW_DEVICE_AFTER, UserSessions
from tests.support.given import given
from tests.support.world import ANN, NOON, fact, login_session


class Logins:
    """One account, and which of its logins came from a new device."""

    def __init__(self) -> None:
        self.sessions = given(fact(UserSessions.Opened, user_id=ANN)).aggregate
        self.number = 0

    def log_in(self, agent: str, at: datetime) -> bool:
        self.number += 1
        before = len(self.sessions.pending_events)
        session = login_session(self.number, at=at, lifetime=timedelta(days=400))
        self.sessions.start(session, limit=1000, evict=True, device_name="", user_agent=agent, address="192.0.2.1")
        new = self.sessions.pending_events[before:]
        return any(isinstance(event, UserSessions.NewDevice) for event in new)

    def refresh(self, number: int, at: datetime) -> None:
        session = self.sessions.live[UUID(int=number)]
        self.sessions.refresh(session.id, old_hash=session.token_hashes[0], new_hash=f"new-{at}", at=at)


def test_the_first_login_is_none_and_another_agent_is_one():
    logins = Logins()
    assert not logins.log_in("Firefox", NOON)
    assert not logins.log_in("Firefox", NOON)
    assert logins.log_in("Chrome", NOON)
    assert not logins.log_in("Chrome", NOON)


def test_an_agent_is_forgotten_after_90_days_without_a_login_or_refresh():
    logins = Logins()
    logins.log_in("Firefox", NOON)
    assert not logins.log_in("Firefox", NOON + NEW_DEVICE_AFTER)
    assert logins.log_in("Firefox", NOON + 2 * NEW_DEVICE_AFTER + timedelta(microseconds=1))
    logins.refresh(3, NOON + 3 * NEW_DEVICE_AFTER)
    assert not logins.log_in("Firefox", NOON + 4 * NEW_DEVICE_AFTER)


def test_of_many_agents_those_seen_last_are_remembered():
    logins = Logins()
    for number in range(KEPT_AGENTS + 5):
        logins.log_in(f"agent {number}", NOON + timedelta(minutes=number))
    assert len(logins.sessions.agents) == KEPT_AGENTS
    assert "agent 0" not in logins.sessions.agents
