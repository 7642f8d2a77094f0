"""Jobs that were given up: tried again, or left out for a reason, once each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from infrastructure import failed_jobs
from infrastructure.settings import Settings
from tests.support.post import PostOffice, post_office
from tests.support.wait import eventually
from tests.workers.conftest import Office, at_work
from tests.workers.crew import crew


@pytest.fixture
def post() -> Iterator[PostOffice]:
    with post_office() as found:
        yield found


async def decided(settings: Settings, how: Callable[[AsyncConnection[Any], UUID], Awaitable[Any]]) -> dict[str, Any]:
    """The one failed job, after somebody decided about it; a second decision finds none."""
    async with await AsyncConnection.connect(settings.needed("database_url"), autocommit=True) as connection:
        [job] = await failed_jobs.failed(connection)
        await how(connection, job["id"])
        assert await failed_jobs.failed(connection) == []
        with pytest.raises(failed_jobs.UnknownFailedJob):
            await how(connection, job["id"])
        return job


def test_a_dead_letter_is_tried_again_or_left_out(settings: Settings, office: Office, post: PostOffice):
    post.answers.append("554 never")
    with at_work(settings.model_copy(update={"smtp_url": post.url}), crew):
        office.tasks(1)
        eventually(lambda: office.states() == ["failed"], within_seconds=30)
        job = asyncio.run(decided(settings, failed_jobs.retry))
        assert (job["topic"], job["attempts"], "554" in job["error"]) == ("task.created", 1, True)
        eventually(lambda: office.states() == ["done"], within_seconds=30)
        post.answers.append("554 never")
        office.tasks(1)
        eventually(lambda: office.states() == ["done", "failed"], within_seconds=30)
        asyncio.run(decided(settings, partial(failed_jobs.skip, reason="the address is gone")))
        assert office.states() == ["done", "skipped"]
    assert len(post.mails) == 1
