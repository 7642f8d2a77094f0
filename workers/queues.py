"""The queues: names, priorities, time limits."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Rules:
    """How the jobs of a queue are run."""

    name: str
    priority: int  # the lower goes first
    time_limit_seconds: int  # for one run of one job


MAIL_RETRIES = 30  # some three hours: mail servers are away longer than databases


def actor_name(queue_name: str) -> str:
    """Under which name the jobs of a queue run reactions."""
    return f"{queue_name}.react"


class Queue(Enum):
    """Every queue there is."""

    MAIL = Rules("mail", priority=0, time_limit_seconds=60)  # somebody waits for it
    COMMANDS = Rules("commands", priority=10, time_limit_seconds=30)  # reactions that ask for something
    CHECKS = Rules("checks", priority=20, time_limit_seconds=300)  # periodic: what has become due
    HOUSEKEEPING = Rules("housekeeping", priority=100, time_limit_seconds=300)
