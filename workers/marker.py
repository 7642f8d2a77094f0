"""A mark in Redis that vanishes with the queues: whether what was enqueued is still there.

Its value is the server's run id, which is another after each start: a server that died may have lost the last second.
"""

from __future__ import annotations

from typing import cast

import redis

KEY = "trialog:jobs-of-run"


class Marker:
    """Errors of both methods: those of redis."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def was_lost(self) -> bool:
        """Whether the server was emptied, or started anew, since the mark was set."""
        kept = cast("bytes | None", self._client.get(KEY))
        return kept is None or kept.decode() != self._run_id()

    def set(self) -> None:
        self._client.set(KEY, self._run_id())

    def _run_id(self) -> str:
        return str(self._client.info("server")["run_id"])
