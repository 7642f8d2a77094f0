"""What stands before a request is read: headers have bounds in size and time, and so do bodies."""

from __future__ import annotations

import socket

import orjson
import pytest

from infrastructure.http import edge, protocol
from tests.support.http import Caller, Site, raw


def test_headers_larger_than_the_limit_are_431(site: Site):
    for junk in (b"X-Junk: " + b"x" * 70_000 + b"\r\n", b"".join(b"X-%d: y\r\n" % n for n in range(9000))):
        answer = raw(site, b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + junk + b"\r\n")
        assert answer.status == 431
        assert orjson.loads(answer.body)["type"] == "/problems/headers-too-large"


def test_large_headers_within_the_limit_are_read(site: Site):
    junk = b"X-Junk: " + b"x" * 60_000 + b"\r\nConnection: close\r\n"
    assert raw(site, b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + junk + b"\r\n").status == 200


@pytest.mark.parametrize("sent", [b"", b"GET /health/live HTTP/1.1\r\nHost:"])
def test_whoever_dawdles_over_headers_is_let_go(site: Site, monkeypatch: pytest.MonkeyPatch, sent: bytes):
    monkeypatch.setattr(protocol, "HEADERS_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as wire:
        wire.sendall(sent)
        assert wire.recv(100) == b""


def test_a_body_that_does_not_end_is_408(site: Site, ann: Caller, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(edge, "BODY_SECONDS", 0.2)
    head = f"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {ann.headers['authorization']}"
    with site.log.gains():
        answer = raw(site, head.encode() + b'\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"title')
    assert answer.status == 408
    assert orjson.loads(answer.body)["type"] == "/problems/body-too-slow"


def test_several_requests_on_one_connection_each_have_their_own_bounds(site: Site):
    request = b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Junk: " + b"x" * 40_000 + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as wire:
        for _ in range(4):
            wire.sendall(request)
            assert wire.recv(20).startswith(b"HTTP/1.1 200")
            while not wire.recv(1 << 16).endswith(b'{"status":"ok"}'):
                pass
