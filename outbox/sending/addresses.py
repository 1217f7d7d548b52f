"""Which addresses may be connected to (SSRF): a name is resolved once, and every address that it has is checked."""

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from outbox.choices import AttemptResult
from outbox.sending.details import NOT_PUBLIC
from outbox.sending.outcome import SendError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# IPv6 addresses that stand for an IPv4 address, which a router or the kernel would connect to.
DISGUISES = tuple(
    IPv6Network(text)
    for text in (
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
    )
)
# Beyond what `is_global` of each Python leaves out: protocol assignments, relays, benchmarks, ORCHID, site-local.
MORE = tuple(
    ip_network(text)
    for text in (
        *("192.0.0.0/24", "192.52.193.0/24", "192.88.99.0/24", "198.18.0.0/15"),
        *("2001:20::/28", "fec0::/10", "5f00::/16", "100::/64"),
    )
)
_resolvers = ThreadPoolExecutor(16, thread_name_prefix="resolve")


def _resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_kind, address in found))


def is_public(address: Address) -> bool:
    """Whether an address is one of the public Internet, in no disguise."""
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    return not any(address in network for network in (*DISGUISES, *MORE) if network.version == address.version)


def may_connect(address: Address, networks: Sequence[Network]) -> bool:
    """Whether an address is public, or in one of the networks that are allowed besides."""
    allowed = any(address in network for network in networks if network.version == address.version)
    return allowed or is_public(address)


def literal_address(host: str) -> Address | None:
    """Return the address that a host is, in whatever form the system reads it (127.1, 0x7f000001); None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def checked_addresses(host: str, port: int, networks: Sequence[Network], wait: float) -> list[Address]:
    """Return the addresses of a host, each of which may be connected to. Raises SendError."""
    addresses = resolved_addresses(host, port, wait)
    # One that is not allowed spoils all: which of them is connected to would otherwise be the resolver's choice.
    if not addresses or not all(may_connect(address, networks) for address in addresses):
        raise SendError(AttemptResult.NOT_ALLOWED, NOT_PUBLIC)
    return addresses


def resolved_addresses(host: str, port: int, wait: float) -> list[Address]:
    """Return the addresses of a host. Raises SendError.

    The system's resolver cannot be given a time-out, so it runs in a thread of its own.
    """
    try:
        found = _resolvers.submit(_resolve, host, port).result(wait)
    except NotInTime:
        raise SendError(AttemptResult.TIMEOUT, "the name was not resolved in time") from None
    except (OSError, UnicodeError) as error:
        raise SendError(AttemptResult.UNKNOWN_HOST, getattr(error, "strerror", None) or "not a host name") from None
    return [ip_address(text.partition("%")[0]) for text in found]
