"""Login sessions under any course of events: never more than the limit, a token is good once, and replay gives the same state."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.aggregates.sessions import GRACE_SECONDS, SessionLimitReached, UserSessions
from domain.kernel.errors import NotFound
from infrastructure.event_store import snapshots
from tests.support.given import replayed, state_of
from tests.support.world import ANN, NOON, THIS, login_session

LIFETIME = timedelta(hours=2)


class Logins(RuleBasedStateMachine):
    """A user, some devices, and a thief who kept every token ever given."""

    @initialize(limit=st.integers(1, 4))
    def begin(self, limit: int) -> None:
        self.limit = limit
        self.now = NOON
        self.count = 0
        self.sessions = UserSessions(id=THIS, user_id=ANN)
        self.tokens: dict[UUID, list[tuple[str, int]]] = {}  # of each login ever: (token, generation) in order of giving
        self.first_use: dict[tuple[UUID, int], object] = {}

    @rule(seconds=st.sampled_from([0, 1, 10, 21, 600, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(evict=st.booleans())
    def a_device_logs_in(self, evict: bool) -> None:
        self.count += 1
        session = login_session(self.count, at=self.now, lifetime=LIFETIME)
        alive = {s.id for s in self.sessions.live.values() if s.expires_at > self.now}
        try:
            self.sessions.start(session, limit=self.limit, evict=evict, device_name="", user_agent="", address="")
        except SessionLimitReached:
            assert not evict
            assert len(alive) == self.limit
            return
        assert evict or len(alive) < self.limit
        self.tokens[session.id] = [(session.token_hashes[0], 1)]

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def somebody_refreshes_with_any_token_ever_given(self, data: st.DataObject) -> None:
        session_id = data.draw(st.sampled_from(sorted(self.tokens)))
        token, generation = data.draw(st.sampled_from(self.tokens[session_id]))
        session = self.sessions.live.get(session_id)
        self.count += 1
        try:
            good = self.sessions.refresh(session_id, old_hash=token, new_hash=f"new-{self.count}", at=self.now)
        except NotFound:
            assert session is None or session.expires_at <= self.now
            return
        assert session is not None
        newest = session.generation
        first_use = self.first_use.setdefault((session_id, generation), self.now) if generation == newest else None
        in_grace = generation == newest - 1 and self.now - self.first_use[session_id, generation] <= timedelta(seconds=GRACE_SECONDS)  # type: ignore[operator]
        assert good == (first_use is not None or in_grace)
        if good:
            self.tokens[session_id].append((f"new-{self.count}", self.sessions.live[session_id].generation))
        else:
            assert session_id not in self.sessions.live

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def a_device_logs_out(self, data: st.DataObject) -> None:
        session_id = data.draw(st.sampled_from(sorted(self.tokens)))
        self.sessions.end(session_id, "logout")
        assert session_id not in self.sessions.live

    @rule()
    def all_devices_log_out(self) -> None:
        self.sessions.end_all("logout-all")
        assert not self.sessions.live

    @invariant()
    def there_are_never_more_than_the_limit(self) -> None:
        assert len(self.sessions.live) <= self.limit

    @invariant()
    def replaying_the_events_gives_the_live_state(self) -> None:
        again = replayed(list(self.sessions.pending_events))  # type: ignore[arg-type]  # ours are AggregateEvents
        assert state_of(again) == state_of(self.sessions)

    @invariant()
    def a_snapshot_gives_the_live_state(self) -> None:
        again = snapshots.load(UserSessions, snapshots.dump(self.sessions))
        assert state_of(again) == state_of(self.sessions)


TestLogins = Logins.TestCase
TestLogins.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
