"""Reservations: a value is held by one owner at a time."""

from __future__ import annotations

from domain.aggregates.reservations import AlreadyTaken, Reservation
from domain.kernel.aggregate import event_types
from tests.support.given import given
from tests.support.world import ANN, BOB, THIS, fact

MADE = fact(Reservation.Made, scope="email", owner_id=ANN)
RELEASED = fact(Reservation.Released)


def test_the_first_claim_makes_it():
    made = Reservation(id=THIS, scope="email", owner_id=ANN)
    assert (made.scope, made.owner_id, [type(e) for e in made.pending_events]) == ("email", ANN, [Reservation.Made])


def test_it_cannot_be_taken_from_its_owner():
    given(MADE).when(lambda r: r.take(BOB)).refused(AlreadyTaken, scope="email")


def test_taking_ones_own_is_nothing():
    given(MADE).when(lambda r: r.take(ANN)).nothing()


def test_a_released_one_is_anybodys():
    given(MADE, RELEASED).when(lambda r: r.take(BOB)).then(fact(Reservation.Taken, owner_id=BOB)).and_now(owner_id=BOB)


def test_after_taking_a_released_one_it_is_held_again():
    given(MADE, RELEASED, fact(Reservation.Taken, owner_id=BOB)).when(lambda r: r.take(ANN)).refused(AlreadyTaken)


def test_releasing_twice_is_once():
    given(MADE).when(lambda r: r.release()).then(RELEASED).and_now(owner_id=None)
    given(MADE, RELEASED).when(lambda r: r.release()).nothing()


def test_no_event_has_room_for_the_value_itself():
    declared = {field.name for topic, kind in event_types().items() if topic.startswith("reservation.") for field in kind.fields}
    assert declared == {"scope", "owner_id"}
