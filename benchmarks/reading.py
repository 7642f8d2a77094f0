"""Reads at a fixed rate, whatever the answers do: what people who look at lists feel while something else goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

from benchmarks.client import Client, NoAnswer
from benchmarks.figures import percentiles

RATE = 100.0  # reads/s
CONNECTIONS = 16


class Readers:
    """They read one path; each stretch of time is judged by itself."""

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self._url, self._path, self._headers = f"http://127.0.0.1:{port}", path, headers
        self.failed = 0
        self.example = ""

    async def during(self, work: Awaitable[Any]) -> tuple[Any, dict[str, float]]:
        """What the work answers, and percentiles of the reads until it was done: milliseconds from when each was due."""
        seconds: list[float] = []
        doing = asyncio.ensure_future(work)
        async with Client(self._url, connections=CONNECTIONS) as client:
            under_way: set[asyncio.Task[None]] = set()
            begun, number = time.perf_counter(), 0
            while not doing.done():
                due_at = begun + number / RATE
                await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
                task = asyncio.create_task(self._read(client, due_at, seconds))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                number += 1
            await asyncio.gather(*under_way)
        return await doing, percentiles(seconds)

    async def _read(self, client: Client, due_at: float, seconds: list[float]) -> None:
        try:
            answer = await client.request("GET", self._path, None, self._headers)
        except NoAnswer as error:
            self.failed += 1
            self.example = self.example or str(error)
            return
        seconds.append(answer.received_at - due_at)
        if not answer.ok:
            self.failed += 1
            self.example = self.example or f"{answer.status} {answer.body[:300].decode(errors='replace')}"
