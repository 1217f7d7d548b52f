"""Whose address a call comes from, as gRPC names it."""

from typing import Any

import pytest

from core.rpc import peer_ip

PEERS = {
    "ipv4:192.0.2.1:5000": "192.0.2.1",
    "ipv6:%5B2001:db8::1%5D:5000": "2001:db8::1",
    "ipv6:[2001:db8::1]:5000": "2001:db8::1",
    "ipv6:%5B::ffff:192.0.2.1%5D:5000": "192.0.2.1",
    "ipv6:%5Bfe80::1%25eth0%5D:5000": "fe80::1",
    "unix:/run/socket": "",
    "": "",
}


class Call:
    """A call of which gRPC knows only the peer."""

    def __init__(self, peer: str) -> None:
        self._peer = peer

    def peer(self) -> str:
        return self._peer


@pytest.mark.parametrize("peer", PEERS)
def test_the_address_of(peer: str) -> None:
    call: Any = Call(peer)
    assert peer_ip(call) == PEERS[peer]
