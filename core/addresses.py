"""IP addresses as sockets and headers write them."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address
WRITTEN = re.compile(r"\[([^\]]+)\](?::\d{1,5})?|([^:]+):\d{1,5}")  # [2001:db8::1], [2001:db8::1]:443, 192.0.2.1:443

IPV6_SITE = 64  # bits of an IPv6 address that a site gets; the others are its own choice


def read_address(text: str) -> Address | None:
    """Return the address in a text, which may have a port; None when there is none.

    An IPv4 address that came over an IPv6 socket (`::ffff:192.0.2.1`) is returned as IPv4: it is the same host.
    """
    text = text.strip()
    if written := WRITTEN.fullmatch(text):
        text = written[1] or written[2]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def plain_address(text: str) -> str:
    """Return an address without port and brackets; what is no address stays as it is."""
    found = read_address(text)
    return text if found is None else str(found)


def site_of(text: str) -> str:
    """Return by what callers from an address are counted together, "" when it is no address."""
    found = read_address(text)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, IPV6_SITE), strict=False).network_address)
    return "" if found is None else str(found)
