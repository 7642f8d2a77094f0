"""A proxy before Postgres that loses connections at the worst moment: before or after what was sent has been committed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto

from psycopg.conninfo import conninfo_to_dict, make_conninfo

SYNC, FLUSH, QUERY = b"S\x00\x00\x00\x04", b"H\x00\x00\x00\x04", b"Q"  # what ends what a client wants answered, or is that by itself
READY_FOR_QUERY = b"Z\x00\x00\x00\x05"  # what the server says after a statement outside a block has been committed


class Cut(Enum):
    """When a connection is lost, told from the statement that holds a mark."""

    BEFORE = auto()  # the statement never reaches the server
    UNANSWERED = auto()  # it is passed on, and the client is cut at once, while the server works
    AFTER = auto()  # the server has committed; its answer is lost
    LATE = auto()  # the client is cut, and the statement reaches the server only at `release()`


class Proxy:
    """One listening port; every connection is passed on to the server until the plan says otherwise."""

    def __init__(self, database_url: str) -> None:
        self._target = conninfo_to_dict(database_url)
        self._plans: list[tuple[bytes, Cut]] = []
        self._released = asyncio.Event()
        self._links: set[asyncio.Task[None]] = set()
        self._losing = 0
        self.cuts = 0
        self.open = True  # False: new connections are dropped at once
        self.without = b""  # what the server sends with this in it is lost
        self.silent = False  # True: connections stay, and nothing comes through from the server
        self._through = asyncio.Event()  # not set: what either side sends is kept back
        self._through.set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 24)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        self._released.set()
        self._through.set()
        await self.cut_all()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The database's address by way of the proxy."""
        return make_conninfo("", **{**self._target, "host": "127.0.0.1", "port": self.port, "sslmode": "disable", "gssencmode": "disable"})

    @property
    def busy(self) -> bool:
        """Whether a cut connection still has something to hand on."""
        return self._losing > 0

    def plan(self, mark: str, cut: Cut) -> None:
        """Lose the next connection that sends this text."""
        self._plans.append((mark.encode(), cut))

    def release(self) -> None:
        """Let late statements through."""
        self._released.set()

    def hold(self) -> None:
        """The network is gone, and nobody has been told: nothing comes through either way, and connections stay."""
        self._through.clear()

    def heal(self) -> None:
        """It is back: what either side has sent meanwhile arrives now, as TCP has it."""
        self._through.set()

    async def cut_all(self) -> None:
        """Lose every connection now."""
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.open:
            writer.close()
            return
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        link.add_done_callback(self._links.discard)
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(f"{self._target['host']}/.s.PGSQL.5432", limit=1 << 24)
        except OSError:  # the server is away: whoever knocks finds nobody
            writer.close()
            return
        answers = asyncio.create_task(self._copy(up_reader, writer))
        try:
            await self._pass_on(reader, writer, up_reader, up_writer, answers)
        except (ConnectionError, asyncio.CancelledError):
            pass  # either side has gone, or the test has had enough
        finally:
            answers.cancel()
            for one in (writer, up_writer):
                one.close()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
        answers: asyncio.Task[None],
    ) -> None:
        while chunk := await reader.read(1 << 22):
            cut = self._planned(chunk)
            if cut is not None:
                self.cuts += 1
                self._losing += 1
                answers.cancel()
                await asyncio.wait([answers])  # two may not read at once
                try:
                    if cut is not Cut.BEFORE:
                        chunk = await _whole(chunk, reader)
                        await self._lose(cut, chunk, writer, up_reader, up_writer)
                finally:
                    self._losing -= 1
                return
            await self._through.wait()
            up_writer.write(chunk)
            await up_writer.drain()

    async def _lose(
        self, cut: Cut, chunk: bytes, writer: asyncio.StreamWriter, up_reader: asyncio.StreamReader, up_writer: asyncio.StreamWriter
    ) -> None:
        if cut is not Cut.AFTER:
            writer.close()
        if cut is Cut.LATE:
            await self._released.wait()
        up_writer.write(chunk)
        await up_writer.drain()
        seen = b""
        while READY_FOR_QUERY not in seen and (more := await up_reader.read(1 << 20)):
            seen += more

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(1 << 20):
                await self._through.wait()
                if not self.silent and not (self.without and self.without in chunk):
                    writer.write(chunk)
                    await writer.drain()
        await self._through.wait()  # an end is news too
        writer.close()

    def _planned(self, chunk: bytes) -> Cut | None:
        for plan in self._plans:
            if plan[0] in chunk:
                self._plans.remove(plan)
                return plan[1]
        return None


async def _whole(chunk: bytes, reader: asyncio.StreamReader) -> bytes:
    """With what is still on its way: a statement may come in pieces, and the server does not answer before the last."""

    def is_whole() -> bool:
        if chunk.startswith(QUERY):
            return len(chunk) > int.from_bytes(chunk[1:5])
        return chunk.removesuffix(FLUSH).endswith(SYNC)

    while not is_whole() and (more := await reader.read(1 << 22)):
        chunk += more
    return chunk


@asynccontextmanager
async def proxied(database_url: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(database_url)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
