"""Mailed proofs: good once, until they expire, until a newer one is asked for, and for their purpose alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given as each
from hypothesis import strategies as st

from domain.aggregates.emails import LIFETIMES, Purpose, UserEmails
from domain.kernel.mail_tokens import InvalidMailToken
from tests.support.given import Given, given
from tests.support.world import ANN, NOON, Fact, fact

OPENED = fact(UserEmails.Opened, user_id=ANN)
FIRST, SECOND = UUID(int=1), UUID(int=2)
HOUR, DAY = timedelta(hours=1), timedelta(hours=24)


def asked(mail_id: UUID, purpose: Purpose = Purpose.VERIFY, at: datetime = NOON, address: str = "ann@example.com") -> Fact:
    until = at + LIFETIMES[purpose]
    return fact(UserEmails.Asked, user_id=ANN, purpose=purpose, mail_id=mail_id, address=address, expires_at=until)


def after(*facts: Fact) -> Given:
    return given(OPENED, *facts)


def test_a_mail_is_asked_for_with_its_end():
    after().when(lambda e: e.ask(Purpose.RESET, mail_id=FIRST, address="ann@example.com", at=NOON)).then(asked(FIRST, Purpose.RESET))
    assert (LIFETIMES[Purpose.VERIFY], LIFETIMES[Purpose.CHANGE], LIFETIMES[Purpose.RESET]) == (DAY, DAY, HOUR)


def test_a_token_is_spent_by_its_use():
    spent = fact(UserEmails.Spent, purpose=Purpose.VERIFY, mail_id=FIRST)
    after(asked(FIRST)).when(lambda e: e.spend(Purpose.VERIFY, FIRST, at=NOON)).then(spent)
    after(asked(FIRST), spent).when(lambda e: e.spend(Purpose.VERIFY, FIRST, at=NOON)).refused(InvalidMailToken)


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_token_is_good_until_its_last_moment_and_not_longer(purpose: Purpose):
    end = NOON + LIFETIMES[purpose]
    almost = after(asked(FIRST, purpose)).when(lambda e: e.proof(purpose, FIRST, at=end - timedelta(microseconds=1)))
    almost.nothing()
    after(asked(FIRST, purpose)).when(lambda e: e.proof(purpose, FIRST, at=end)).refused(InvalidMailToken)


def test_looking_does_not_spend():
    after(asked(FIRST)).when(lambda e: e.proof(Purpose.VERIFY, FIRST, at=NOON)).nothing().and_now(
        open={Purpose.VERIFY: after(asked(FIRST)).aggregate.open[Purpose.VERIFY]}
    )


def test_a_newer_mail_spends_the_older_one_of_its_purpose_alone():
    two = (asked(FIRST), asked(SECOND), asked(FIRST, Purpose.RESET))
    after(*two).when(lambda e: e.spend(Purpose.VERIFY, FIRST, at=NOON)).refused(InvalidMailToken)
    after(*two).when(lambda e: e.proof(Purpose.VERIFY, SECOND, at=NOON)).nothing()
    after(*two).when(lambda e: e.proof(Purpose.RESET, FIRST, at=NOON)).nothing()


def test_what_is_voided_is_worth_nothing_and_voiding_what_is_not_out_is_nothing():
    voided = fact(UserEmails.Voided, purpose=Purpose.RESET, mail_id=FIRST)
    after(asked(FIRST, Purpose.RESET)).when(lambda e: e.void(Purpose.VERIFY, Purpose.RESET)).then(voided)
    after(asked(FIRST, Purpose.RESET), voided).when(lambda e: e.void(*Purpose)).nothing()
    after(asked(FIRST, Purpose.RESET), voided).when(lambda e: e.proof(Purpose.RESET, FIRST, at=NOON)).refused(InvalidMailToken)


def test_of_one_kind_so_many_mails_go_out_in_an_hour():
    minutes = [0, 10, 10, 50]
    emails = after(*(asked(UUID(int=n), Purpose.RESET, NOON + timedelta(minutes=m)) for n, m in enumerate(minutes))).aggregate
    now = NOON + timedelta(minutes=55)
    waits = [emails.wait_seconds(Purpose.RESET, limit, at=now) / 60 for limit in (5, 4, 3, 2, 1)]
    assert waits == [0, 5, 15, 15, 55]
    assert emails.wait_seconds(Purpose.RESET, None, at=now) == emails.wait_seconds(Purpose.VERIFY, 1, at=now) == 0


@each(st.lists(st.integers(0, 1800), max_size=40), st.integers(1, 5))
def test_whoever_waits_as_told_never_gets_more_than_the_limit_in_any_hour(pauses: list[int], limit: int):
    emails, now, sent = UserEmails(id=UUID(int=9), user_id=ANN), NOON, []
    for n, pause in enumerate(pauses):
        now += timedelta(seconds=pause)
        if emails.wait_seconds(Purpose.VERIFY, limit, at=now) == 0:
            emails.ask(Purpose.VERIFY, mail_id=UUID(int=n), address="a@example.com", at=now)
            sent.append(now)
        assert emails.is_out(Purpose.VERIFY, at=now)
        assert sum(1 for at in sent if at > now - HOUR) <= limit


Act = tuple[str, Purpose, int]


@each(st.lists(st.tuples(st.sampled_from(["ask", "spend", "void"]), st.sampled_from(list(Purpose)), st.integers(0, 4)), max_size=30))
def test_whatever_happens_a_token_opens_once_and_only_the_newest_does(acts: list[Act]):
    emails = UserEmails(id=UUID(int=9), user_id=ANN)
    newest: dict[Purpose, UUID] = {}
    asked_for: list[UUID] = []
    for what, purpose, which in acts:
        if what == "ask":
            asked_for.append(UUID(int=len(asked_for) + 1))
            emails.ask(purpose, mail_id=asked_for[-1], address="a@example.com", at=NOON)
            newest[purpose] = asked_for[-1]
        elif what == "void":
            emails.void(purpose)
            newest.pop(purpose, None)
        elif asked_for:
            mail_id = asked_for[which % len(asked_for)]
            try:
                emails.spend(purpose, mail_id, at=NOON)
            except InvalidMailToken:
                assert newest.get(purpose) != mail_id
            else:
                assert newest.pop(purpose) == mail_id
