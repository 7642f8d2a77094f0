"""Superusers: the last active one stays, in whatever order they come and go."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given as each
from hypothesis import strategies as st

from domain.aggregates.superusers import LastSuperuser, Superusers
from tests.support.given import given
from tests.support.world import ANN, BOB, fact

ASSEMBLED = fact(Superusers.Assembled)


def test_joining_and_leaving_twice_is_once():
    both = (ASSEMBLED, fact(Superusers.Joined, user_id=ANN), fact(Superusers.Joined, user_id=BOB))
    given(*both).when(lambda s: s.join(ANN)).nothing()
    given(*both).when(lambda s: s.leave(ANN)).then(fact(Superusers.Left, user_id=ANN))
    given(*both, fact(Superusers.Left, user_id=ANN)).when(lambda s: s.leave(ANN)).nothing()


def test_the_last_one_stays():
    given(ASSEMBLED, fact(Superusers.Joined, user_id=ANN)).when(lambda s: s.leave(ANN)).refused(LastSuperuser, id=ANN)


@each(st.lists(st.tuples(st.booleans(), st.integers(1, 4)), max_size=40))
def test_once_there_is_one_there_is_always_one(acts: list[tuple[bool, int]]):
    superusers = Superusers(id=Superusers.the_id())
    superusers.join(ANN)
    for joins, number in acts:
        try:
            (superusers.join if joins else superusers.leave)(UUID(int=number))
        except LastSuperuser:
            assert superusers.active == (UUID(int=number),)
        assert superusers.active
        assert len(set(superusers.active)) == len(superusers.active)
