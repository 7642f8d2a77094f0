"""Doubles and gaps stop the start."""

from __future__ import annotations

import pytest

from domain.aggregates.tasks import Task
from domain.kernel.registry import RegistrationError
from workers.acting import Act
from workers.registry import Recorded, Registry, load


def test_doubles_and_gaps_stop_the_start():
    registry = Registry()

    async def tell(event: Recorded[Task.Created], act: Act) -> None:
        """Nothing."""

    class Unheard(Task.Event):
        """Of no aggregate."""

    registry.reacts_to(Task.Created)(tell)
    with pytest.raises(RegistrationError, match="declared twice"):
        registry.reacts_to(Task.Deleted)(tell)
    with pytest.raises(RegistrationError, match="reacts to nothing"):
        Registry().reacts_to()(tell)
    unknown = Registry()
    unknown.reacts_to(Unheard)(tell)
    with pytest.raises(RegistrationError, match="unknown topic"):
        unknown.check()
    twice = Registry()
    twice.reacts_to(Task.Created, Task.Created)(tell)
    with pytest.raises(RegistrationError, match="names a topic twice"):
        twice.check()


def test_all_that_is_declared_is_whole():
    registry = load()
    registry.check()
    assert {wanted.reaction for wanted in registry.wanted()} == registry.reactions.keys()
