"""Legal holds, and what is left of a person once erased."""

from __future__ import annotations

from domain.aggregates.erasures import LegalHold, UnderLegalHold
from domain.aggregates.reservations import Reservation
from domain.aggregates.users import AlreadyErased, User
from tests.support.given import given
from tests.support.world import ANN, BOB, CLINIC, fact, user_registered

OPENED = fact(LegalHold.Opened, user_id=ANN)
PLACED = fact(LegalHold.Placed, user_id=ANN, reason="A trial.")
LIFTED = fact(LegalHold.Lifted, user_id=ANN)
ERASED = fact(User.Erased)


def test_a_hold_keeps_until_it_is_lifted():
    given(OPENED).when(lambda h: h.must_be_off()).nothing()
    given(OPENED, PLACED).when(lambda h: h.must_be_off()).refused(UnderLegalHold)
    given(OPENED, PLACED, LIFTED).when(lambda h: h.must_be_off()).nothing()


def test_the_same_hold_again_is_nothing_and_another_reason_replaces_it():
    given(OPENED, PLACED).when(lambda h: h.place("A trial.")).nothing()
    given(OPENED, PLACED).when(lambda h: h.place("An appeal.")).then(fact(LegalHold.Placed, user_id=ANN, reason="An appeal."))
    given(OPENED, PLACED, LIFTED).when(lambda h: h.place("A trial.")).then(PLACED)


def test_lifting_what_is_not_there_is_nothing():
    given(OPENED).when(lambda h: h.lift()).nothing()
    given(OPENED, PLACED, LIFTED).when(lambda h: h.lift()).nothing()


def test_an_erased_person_is_an_id_without_a_name():
    user = given(user_registered(), ERASED).aggregate
    assert (user.email, user.username, user.full_name, user.display_name) == ("[erased]",) * 4
    assert (user.active, user.notification_preferences, user.organization_ids) == (False, {}, (CLINIC,))


def test_an_erased_address_is_free_and_stays_erased():
    made = fact(Reservation.Made, scope="email", owner_id=ANN)
    given(made).when(lambda r: r.erase()).then(fact(Reservation.Erased)).and_now(owner_id=None, erased=True)
    given(made, fact(Reservation.Released)).when(lambda r: r.erase()).then(fact(Reservation.Erased))
    given(made, fact(Reservation.Erased)).when(lambda r: r.erase()).nothing()
    back = given(made, fact(Reservation.Erased)).when(lambda r: r.take(BOB))
    back.then(fact(Reservation.Taken, owner_id=BOB)).and_now(owner_id=BOB, erased=True)


def test_erasing_twice_is_once_and_nothing_brings_it_back():
    given(user_registered()).when(lambda user: user.erase()).then(ERASED)
    given(user_registered(), ERASED).when(lambda user: user.erase()).nothing()
    given(user_registered(), ERASED).when(lambda user: user.reactivate()).refused(AlreadyErased)
    given(user_registered(), ERASED).when(lambda user: user.set_superuser(superuser=True)).refused(AlreadyErased)
