"""Where a request comes from: forwarded addresses are believed from trusted proxies only."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Networks = Sequence[IPv4Network | IPv6Network]


def networks(names: Sequence[str]) -> Networks:
    """`10.0.0.0/8`, `127.0.0.1` as networks.  Errors: ValueError."""
    return tuple(ip_network(name, strict=False) for name in names)


def client_address(scope: Any, trusted: Networks) -> str:
    """The peer; behind trusted proxies the last address of X-Forwarded-For that is none of theirs."""
    peer = plain((scope.get("client") or ("", 0))[0])
    if not trusted or not _is_in(peer, trusted):
        return peer
    forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode("latin-1")
    for address in reversed([plain(a.strip()) for a in forwarded.split(",") if a.strip()]):
        if not _is_in(address, trusted):
            return address if _is_address(address) else peer
        peer = address
    return peer


def plain(address: str) -> str:
    """IPv4 as such, also where somebody who listens for both kinds has written it as IPv6 (`::ffff:192.0.2.1`)."""
    if not address.lower().startswith("::ffff:"):
        return address
    try:
        mapped = IPv6Address(address).ipv4_mapped
    except ValueError:
        return address
    return address if mapped is None else str(mapped)


def one_customer(address: str) -> str:
    """What limits count by: an IPv4 address, or the 64 bits of IPv6 that one customer has; what is no address stays."""
    try:
        known = ip_address(plain(address))
    except ValueError:
        return address
    return str(ip_network((known, 64), strict=False) if known.version == 6 else known)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_in(address: str, trusted: Networks) -> bool:
    if not address or address == "unix":
        return True  # a unix socket: only somebody on this machine, which is how the gateway reaches us
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in trusted)
