"""Login sessions: how many, how long, and what a refresh token is worth.  Source: contract, section 3."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from domain.aggregates.sessions import GRACE_SECONDS, KEPT_TOKENS, SessionLimitReached, UserSessions
from domain.kernel.errors import NotFound
from tests.support.given import Given, given
from tests.support.world import ANN, CLINIC, NOON, ONE_O_CLOCK, TOMORROW, Fact, fact, login_session

OPENED = fact(UserSessions.Opened, user_id=ANN)
ONE = UUID(int=1)
GRACE = timedelta(seconds=GRACE_SECONDS)


def started(number: int, *, at: datetime = NOON, lifetime: timedelta = timedelta(days=7)) -> Fact:
    session = login_session(number, at=at, lifetime=lifetime)
    return fact(
        UserSessions.Started, user_id=ANN, session_id=session.id, organization_id=CLINIC, started_at=at, expires_at=session.expires_at,
        token_hash=session.token_hashes[0], device_name="phone", user_agent="agent", address="192.0.2.1",
    )  # fmt: skip


def ended(number: int, why: str) -> Fact:
    return fact(UserSessions.Ended, session_id=UUID(int=number), why=why)


def log_in(number: int, *, at: datetime = NOON, limit: int = 3, evict: bool = True) -> Callable[[UserSessions], None]:
    return lambda sessions: sessions.start(
        login_session(number, at=at), limit=limit, evict=evict, device_name="phone", user_agent="agent", address="192.0.2.1"
    )


def refresh(old: str, new: str, at: datetime) -> Callable[[UserSessions], bool]:
    return lambda sessions: sessions.refresh(ONE, old_hash=old, new_hash=new, at=at)


def refreshed(old: str, new: str, at: datetime, generation: int, *, repeated: bool = False) -> Fact:
    return fact(UserSessions.Refreshed, session_id=ONE, at=at, generation=generation, spent_hash=old, token_hash=new, repeated=repeated)


def one_login(*more: Fact) -> Given:
    return given(OPENED, started(1), *more)


def three_logins() -> Given:
    return given(OPENED, started(1), started(2, at=NOON + timedelta(minutes=1)), started(3, at=NOON + timedelta(minutes=2)))


def test_a_login_starts_a_session():
    given(OPENED).when(log_in(1)).then(started(1))


def test_beyond_the_limit_the_oldest_by_login_time_ends():
    three_logins().when(log_in(4, at=ONE_O_CLOCK)).then(ended(1, "evicted"), started(4, at=ONE_O_CLOCK))


def test_the_oldest_is_told_by_login_time_not_by_order_of_storing():
    late_first = given(OPENED, started(1, at=ONE_O_CLOCK), started(2, at=NOON), started(3, at=ONE_O_CLOCK))
    late_first.when(log_in(4, at=ONE_O_CLOCK)).then(ended(2, "evicted"), started(4, at=ONE_O_CLOCK))


def test_refreshing_does_not_make_a_session_younger():
    at = NOON + timedelta(minutes=30)
    used = given(OPENED, started(1), started(2, at=at), started(3, at=at), refreshed("token-1", "b", ONE_O_CLOCK, 2))
    used.when(log_in(4, at=ONE_O_CLOCK)).then(ended(1, "evicted"), started(4, at=ONE_O_CLOCK))


def test_where_the_limit_rejects_a_further_login_is_refused():
    three_logins().when(log_in(4, at=ONE_O_CLOCK, evict=False)).refused(SessionLimitReached, limit=3)


def test_a_lowered_limit_ends_as_many_as_it_takes():
    three_logins().when(log_in(4, at=ONE_O_CLOCK, limit=1)).then(
        ended(1, "evicted"), ended(2, "evicted"), ended(3, "evicted"), started(4, at=ONE_O_CLOCK)
    )


@pytest.mark.parametrize("evict", [True, False])
def test_expired_sessions_do_not_count(evict: bool):
    week_later = NOON + timedelta(days=7)
    given(OPENED, started(1), started(2, at=ONE_O_CLOCK), started(3, at=ONE_O_CLOCK)).when(log_in(4, at=week_later, evict=evict)).then(
        ended(1, "expired"), started(4, at=week_later)
    )


def test_a_refresh_spends_the_token_for_a_new_one():
    one_login().when(refresh("token-1", "b", ONE_O_CLOCK)).then(refreshed("token-1", "b", ONE_O_CLOCK, 2))


def test_the_life_of_a_session_does_not_slide():
    when = one_login().when(refresh("token-1", "b", TOMORROW))
    assert when.aggregate.live[ONE].expires_at == NOON + timedelta(days=7)


def test_a_session_ends_at_its_time_to_the_microsecond():
    week_later = NOON + timedelta(days=7)
    one_login().when(refresh("token-1", "b", week_later)).refused(NotFound)
    one_login().when(refresh("token-1", "b", week_later - timedelta(microseconds=1))).and_now(version=3)


def test_a_spent_token_is_good_for_another_pair_within_the_grace():
    at = ONE_O_CLOCK + GRACE
    one_login(refreshed("token-1", "b", ONE_O_CLOCK, 2)).when(refresh("token-1", "c", at)).then(
        refreshed("token-1", "c", at, 2, repeated=True)
    )


def test_after_the_grace_a_spent_token_is_reuse_and_ends_the_session():
    at = ONE_O_CLOCK + GRACE + timedelta(microseconds=1)
    when = one_login(refreshed("token-1", "b", ONE_O_CLOCK, 2)).when(refresh("token-1", "c", at))
    when.then(ended(1, "refresh-token-reused")).and_now(live={})


def test_the_grace_counts_from_the_first_use():
    repeat = refreshed("token-1", "c", ONE_O_CLOCK + timedelta(seconds=15), 2, repeated=True)
    too_late = ONE_O_CLOCK + timedelta(seconds=25)
    one_login(refreshed("token-1", "b", ONE_O_CLOCK, 2), repeat).when(refresh("token-1", "d", too_late)).then(
        ended(1, "refresh-token-reused")
    )


def test_an_older_generation_is_reuse_even_within_the_grace():
    rotated_twice = one_login(refreshed("token-1", "b", NOON, 2), refreshed("b", "c", NOON + timedelta(seconds=1), 3))
    rotated_twice.when(refresh("token-1", "d", NOON + timedelta(seconds=2))).then(ended(1, "refresh-token-reused"))


def test_both_answers_of_a_repeat_can_be_refreshed_next():
    twins = (refreshed("token-1", "b", NOON, 2), refreshed("token-1", "c", NOON, 2, repeated=True))
    for token in ("b", "c"):
        one_login(*twins).when(refresh(token, "d", ONE_O_CLOCK)).then(refreshed(token, "d", ONE_O_CLOCK, 3))


def test_a_twin_that_was_not_used_is_spent_with_the_one_that_was():
    twins = (refreshed("token-1", "b", NOON, 2), refreshed("token-1", "c", NOON, 2, repeated=True), refreshed("b", "d", ONE_O_CLOCK, 3))
    soon, late = ONE_O_CLOCK + GRACE, ONE_O_CLOCK + GRACE + timedelta(seconds=1)
    one_login(*twins).when(refresh("c", "e", soon)).then(refreshed("c", "e", soon, 3, repeated=True))
    one_login(*twins).when(refresh("c", "e", late)).then(ended(1, "refresh-token-reused"))


def test_a_storm_of_repeats_spoils_none_of_the_tokens_it_gave():
    storm = [refreshed("token-1", f"new-{n}", NOON, 2, repeated=n > 0) for n in range(50)]
    assert KEPT_TOKENS >= 50
    for token in ("new-0", "new-25", "new-49"):
        one_login(*storm).when(refresh(token, "next", ONE_O_CLOCK)).then(refreshed(token, "next", ONE_O_CLOCK, 3))


def test_what_is_kept_of_a_storm_is_bounded():
    storm = [refreshed("token-1", f"new-{n}", NOON, 2, repeated=n > 0) for n in range(KEPT_TOKENS + 10)]
    assert len(one_login(*storm).aggregate.live[ONE].token_hashes) == KEPT_TOKENS


def test_an_unknown_session_cannot_be_refreshed():
    one_login(ended(1, "logout")).when(refresh("token-1", "b", ONE_O_CLOCK)).refused(NotFound)


def test_ending_a_session_ends_that_one_only():
    three_logins().when(lambda s: s.end(UUID(int=2), "logout")).then(ended(2, "logout"))


def test_ending_what_has_ended_is_nothing():
    one_login(ended(1, "logout")).when(lambda s: s.end(ONE, "logout")).nothing()


def test_ending_all_ends_each_once():
    three_logins().when(lambda s: s.end_all("logout-all")).then(*(ended(n, "logout-all") for n in (1, 2, 3))).and_now(live={})


def test_ending_all_of_none_is_nothing():
    given(OPENED).when(lambda s: s.end_all("logout-all")).nothing()


def test_the_stream_of_a_user_follows_from_the_user():
    assert UserSessions.id_for(ANN) == UserSessions.id_for(UUID(str(ANN)))
    assert UserSessions(id=UserSessions.id_for(ANN), user_id=ANN).subject_id == ANN
