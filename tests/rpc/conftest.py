from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import grpc
import pytest

if TYPE_CHECKING:  # pytest loads this file before Django is set up
    from tests.rpc.servers import Server


@pytest.fixture
def manager(transactional_db: None) -> "Iterator[Server]":
    """A running server on the test's database and broker."""
    from tests.rpc.servers import server

    with server() as running:
        yield running


@pytest.fixture
def second_manager(manager: "Server") -> "Iterator[Server]":
    """A second running server on the same database."""
    from tests.rpc.servers import server

    with server() as running:
        yield running


@pytest.fixture
def connect() -> "Iterator[Callable[[Server], grpc.Channel]]":
    """A function that opens a channel to a server, each with a connection of its own."""
    with ExitStack() as stack:

        def channel(to: "Server") -> grpc.Channel:
            options: Any = [("grpc.use_local_subchannel_pool", 1)]
            return stack.enter_context(grpc.insecure_channel(to.address, options=options))

        yield channel
