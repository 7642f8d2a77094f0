"""The queues: names, priorities, time limits."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Rules:
    """How the jobs of a queue are run."""

    name: str
    priority: int  # the lower goes first
    time_limit_seconds: int  # for one run of one job


class Queue(Enum):
    """Every queue there is."""

    HOUSEKEEPING = Rules("housekeeping", priority=100, time_limit_seconds=300)
