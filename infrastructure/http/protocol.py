"""HTTP/1.1 as uvicorn reads it, with bounds: how large headers may be, how long they may take, and refusals as problem documents."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from infrastructure.clock import new_id
from infrastructure.http import problems

HEADERS_BYTES_MAX = 64 * 1024  # of one request, its first line included
HEADERS_SECONDS = 20.0  # from a connection, or the first byte of a further request, to the end of the headers


class NotHttp(problems.EdgeError):
    """What was sent is no HTTP/1.1 request."""

    code = "not-http"


class HeadersTooLarge(problems.EdgeError):
    """The headers are larger than the {limit_bytes} bytes allowed."""

    code = "headers-too-large"
    status = 431


class _TooLarge(Exception):
    """The headers have grown too large."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection.  A client that dawdles over its headers is let go, without a word: there is no request to answer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._headers_bytes = 0  # of the request that is being read: as complete headers, or as they came in
        self._chunks_bytes = 0
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._patience is not None and not self.transport.is_closing():  # in the middle of headers
            self._chunks_bytes += len(data)
            if self._chunks_bytes > 2 * HEADERS_BYTES_MAX:  # with what came behind the request before
                self._refuse_headers()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._headers_bytes = self._chunks_bytes = 0
        if self._patience is None:
            self._be_patient()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers_bytes += len(name) + len(value) + 4
        if self._headers_bytes > HEADERS_BYTES_MAX:
            raise _TooLarge  # ends the parser, and comes back as `send_400_response`
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """As uvicorn's, in our own words."""
        if self._headers_bytes > HEADERS_BYTES_MAX:
            self._refuse_headers()
            return
        self._refuse(NotHttp(), b"400 Bad Request")

    def _refuse_headers(self) -> None:
        self._refuse(HeadersTooLarge(limit_bytes=HEADERS_BYTES_MAX), b"431 Request Header Fields Too Large")

    def _refuse(self, error: problems.EdgeError, status_line: bytes) -> None:
        self._stop_waiting()
        request_id = str(new_id())
        _, body, headers = problems.document(error, "/", request_id)
        headers += [(b"x-request-id", request_id.encode()), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(b"HTTP/1.1 " + status_line + b"\r\n" + lines + b"\r\n" + body)
        self.transport.close()

    def _be_patient(self) -> None:
        self._patience = self.loop.call_later(HEADERS_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()
