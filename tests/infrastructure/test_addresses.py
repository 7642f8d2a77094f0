"""Where a request comes from: what a proxy says is believed only of proxies that we know."""

from __future__ import annotations

import pytest

from infrastructure.http.addresses import client_address, networks, one_customer

TRUSTED = ("10.0.0.0/8", "192.0.2.7", "fd00::/8")


def seen(peer: str | None, *forwarded: str, trusted: tuple[str, ...] = TRUSTED) -> str:
    scope = {
        "client": None if peer is None else (peer, 1),
        "headers": [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded],
    }
    return client_address(scope, networks(trusted))


@pytest.mark.parametrize("forwarded", [(), ("198.51.100.1",), ("10.1.1.1",)])
def test_a_stranger_is_who_they_are_whatever_they_say(forwarded: tuple[str, ...]):
    assert seen("203.0.113.5", *forwarded) == "203.0.113.5"


def test_without_trusted_proxies_nobody_is_believed():
    assert seen("10.0.0.1", "198.51.100.1", trusted=()) == "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (("198.51.100.1",), "198.51.100.1"),
        (("6.6.6.6, 198.51.100.1",), "198.51.100.1"),
        (("6.6.6.6", "198.51.100.1"), "198.51.100.1"),
        (("198.51.100.1, 10.2.2.2, 192.0.2.7",), "198.51.100.1"),
        (("2001:db8::1",), "2001:db8::1"),
        (("10.2.2.2",), "10.2.2.2"),
        ((), "10.0.0.1"),
        (("",), "10.0.0.1"),
        ((" , ,",), "10.0.0.1"),
    ],
)
def test_behind_our_proxies_it_is_the_last_address_that_is_none_of_theirs(forwarded: tuple[str, ...], address: str):
    assert seen("10.0.0.1", *forwarded) == address


@pytest.mark.parametrize("nonsense", ["unknown", "198.51.100.1:443", "<script>", "x" * 10_000, "\xe9"])
def test_what_is_no_address_is_not_passed_on(nonsense: str):
    assert seen("10.0.0.1", nonsense) == "10.0.0.1"


def test_ipv4_written_as_ipv6_is_ipv4():
    """A proxy that listens for both kinds tells it so; else all of its clients would count as one customer, and it would not be known."""
    assert seen("::ffff:203.0.113.5", trusted=()) == "203.0.113.5"
    assert seen("::FFFF:10.0.0.1", "::ffff:198.51.100.1") == "198.51.100.1"
    assert seen("::ffff:nonsense", trusted=()) == "::ffff:nonsense"
    assert one_customer("::ffff:198.51.100.1") == one_customer("198.51.100.1") != one_customer("::ffff:198.51.100.2")


def test_a_customer_has_64_bits_of_ipv6():
    assert one_customer("2001:db8::1") == one_customer("2001:db8::ffff:1:2:3") != one_customer("2001:db8:0:1::1")
    assert one_customer("unix") == "unix"


def test_a_proxy_on_this_machine_comes_by_a_socket_without_address():
    assert seen(None, "198.51.100.1") == "198.51.100.1"
    assert seen("", "198.51.100.1") == "198.51.100.1"
    assert seen("fd00::5", "198.51.100.1") == "198.51.100.1"
