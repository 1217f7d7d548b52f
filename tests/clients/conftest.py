"""Fixtures of the tests of the clients."""

import asyncio
import threading
from collections.abc import Iterator

import grpc
import pytest

from protocol import wire
from protocol.v1.accelerators_pb2_grpc import add_AcceleratorsServicer_to_server
from tests.clients.smi_peer import Accelerators, Vm


@pytest.fixture
def vm() -> Iterator[Vm]:
    served, ready, over = Accelerators(), threading.Event(), threading.Event()
    port: list[int] = []

    async def serve() -> None:
        server = grpc.aio.server(options=wire.SERVER_OPTIONS)
        add_AcceleratorsServicer_to_server(served, server)
        port.append(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        ready.set()
        while not over.is_set():
            await asyncio.sleep(0.01)
        await server.stop(None)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    yield Vm(served, port[0])
    over.set()
    thread.join()
