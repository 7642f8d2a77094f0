"""Events that cannot be projected: set aside with the error, and the rest of their stream behind them, while all others go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString

PARK: LiteralString = """
    INSERT INTO projections.parked_events (model, generation, position, stream_id, topic, state, error)
    VALUES (%(model)s, %(generation)s, %(position)s, %(stream_id)s, %(topic)s, %(state)s, %(error)s)
    ON CONFLICT (model, generation, position) DO UPDATE
    SET state = excluded.state, error = excluded.error, attempts = parked_events.attempts + 1, parked_at = now()
"""
ERROR_LENGTH_MAX = 2000  # characters kept of an error


@dataclass(frozen=True, slots=True)
class Parked:
    """One event of one model, set aside.  `error` None: it queues behind another one of its stream."""

    model: str
    generation: int
    position: int
    stream_id: str
    topic: str
    error: str | None

    def as_parameters(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "generation": self.generation,
            "position": self.position,
            "stream_id": self.stream_id,
            "topic": self.topic,
            "state": "waiting" if self.error is None else "parked",
            "error": None if self.error is None else _storable(self.error),
        }


def _storable(text: str) -> str:
    """An error may quote what the event says, and that may be no text that Postgres takes."""
    return text[:ERROR_LENGTH_MAX].replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
