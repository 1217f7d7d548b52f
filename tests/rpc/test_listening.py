"""A server that cannot listen says which setting is wrong."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import grpc
import pytest

from moreh_cloud.rpc.errors import CannotListen, PortTaken
from moreh_cloud.rpc.listening import AUTHORITY, PAIR, listen
from tests.rpc.certificates import Authority, written

NAMES = ("MOREH_GRPC_CERT", "MOREH_GRPC_KEY", "MOREH_GRPC_CLIENT_CA")
HOST = "cannot be listened on ({}). Look at MOREH_GRPC_HOST and MOREH_GRPC_PORT."
UNKNOWN, NOT_OURS = HOST.format("the host is not known"), HOST.format("Cannot assign requested address")
REFUSED_FILES = {
    "a certificate that is none": (("garbage", "key", None), PAIR),
    "a key that is none": (("certificate", "garbage", None), PAIR),
    "an empty certificate": (("empty", "key", None), PAIR),
    "the key of another certificate": (("certificate", "other", None), PAIR),
    "an authority that is none": (("certificate", "key", "garbage"), AUTHORITY),
    "an empty authority": (("certificate", "key", "empty"), AUTHORITY),
    "no such certificate": (("no", "key", None), "MOREH_GRPC_CERT: {}/no cannot be read (No such file or directory)."),
    "no such key": (("certificate", "no", None), "MOREH_GRPC_KEY: {}/no cannot be read (No such file or directory)."),
    "a folder": (("certificate", "key", "."), "MOREH_GRPC_CLIENT_CA: {} cannot be read (Is a directory)."),
}
REFUSED_ADDRESSES = {
    "nosuch.invalid:18311": UNKNOWN,
    "1.2.3.4.5:18311": UNKNOWN,
    "a..b:18311": UNKNOWN,
    "192.0.2.1:18311": NOT_OURS,
    "[2001:db8::1]:18311": NOT_OURS,
}


def opened(address: str) -> int:
    async def run() -> int:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        try:
            return listen(server, address)
        finally:
            await server.stop(None)

    return asyncio.run(run())


@pytest.mark.parametrize("case", REFUSED_FILES)
def test_a_file_that_cannot_be_used_is_named(case: str, settings: Any, tmp_path: Path) -> None:
    key, certificate = Authority("ours").issue("server")
    other, _certificate = Authority("ours").issue("other")
    contents = {"key": key, "certificate": certificate, "other": other, "garbage": b"garbage", "empty": b""}
    for name, content in contents.items():
        written(tmp_path, name, content)
    files, message = REFUSED_FILES[case]
    for name, file in zip(NAMES, files, strict=True):
        setattr(settings, name, tmp_path / file if file else None)
    with pytest.raises(CannotListen) as refusal:
        opened("127.0.0.1:0")
    assert str(refusal.value) == message.format(tmp_path)


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_an_address_that_is_not_ours_is_not_called_taken(address: str) -> None:
    with pytest.raises(CannotListen) as refusal:
        opened(address)
    assert str(refusal.value) == f"{address} {REFUSED_ADDRESSES[address]}"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_is_called_so(host: str) -> None:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as other:
        port = other.getsockname()[1]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        with pytest.raises(PortTaken, match="is taken") as refusal:
            opened(address)
    assert str(refusal.value) == f"Port {address} is taken."
