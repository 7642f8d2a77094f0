"""Two command processes on one database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

from infrastructure.settings import Settings
from tests.support.http import Site, at
from tests.support.processes import instance

Pair = tuple[Site, Site]


@contextmanager
def pair(settings: Settings) -> Iterator[Pair]:
    """Both answering."""
    with ExitStack() as stack:
        started = stack.enter_context(instance(settings))
        urls = [started.api("command_api").url for _ in range(2)]
        one, other = (stack.enter_context(at(url, settings)) for url in urls)
        yield one, other


def at_once(sites: Pair, path: str, bodies: list[dict[str, Any]], **headers: str) -> list[httpx.Response]:
    """Each body as a POST of its own, by turns to either process, all at the same time."""

    def post(n: int) -> httpx.Response:
        return httpx.post(
            f"{sites[n % 2].url}/api/v1{path}", json=bodies[n], timeout=30, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(post, range(len(bodies))))
