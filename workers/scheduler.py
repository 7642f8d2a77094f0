"""Periodic jobs.  Time is cut into slots; of several schedulers, the first to claim a slot in Redis enqueues its job.

Redis lost between claim and enqueue costs that slot; the next one comes.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import redis

CLAIM = "trialog:schedule:{job}:{slot}"  # key in Redis; lives for two periods


@dataclass(frozen=True, slots=True)
class Periodic:
    """A job and how often it is wanted."""

    name: str
    every_seconds: int
    enqueue: Callable[[], object]


class Scheduler:
    """Enqueues what is due; `tick` is called about once a second.  Errors: those of redis."""

    def __init__(self, client: redis.Redis, jobs: Sequence[Periodic], clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._jobs = jobs
        self._clock = clock
        self._slots: dict[str, int] = {}  # the last slot we looked at, by job: one question to Redis a slot

    def tick(self) -> list[str]:
        """Names of the jobs that were enqueued by us."""
        enqueued = []
        for job in self._jobs:
            slot = int(self._clock() // job.every_seconds)
            if self._slots.get(job.name) == slot:
                continue
            if self._client.set(CLAIM.format(job=job.name, slot=slot), "1", nx=True, ex=2 * job.every_seconds):
                job.enqueue()
                enqueued.append(job.name)
            self._slots[job.name] = slot
        return enqueued
