from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import grpc
import pytest

if TYPE_CHECKING:  # pytest loads this file before Django is set up
    from tests.rpc.servers import Server


@pytest.fixture
def _first_rows(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Put back, before and after, what migrations put into the database and a transactional test's flush removes."""
    from backends.choices import DEFAULT_GROUP
    from backends.models import BackendGroup

    def put_back() -> None:
        with django_db_blocker.unblock():
            BackendGroup.objects.get_or_create(pk=DEFAULT_GROUP, defaults={"name": "default_backend_group"})

    put_back()
    yield
    put_back()


@pytest.fixture
def manager(_first_rows: None, transactional_db: None) -> "Iterator[Server]":
    """A running server on the test's database and broker."""
    from tests.rpc.servers import server

    with server() as running:
        yield running


@pytest.fixture
def second_manager(manager: "Server") -> "Iterator[Server]":
    """Another server process's worth of server on the same database."""
    from tests.rpc.servers import server

    with server() as running:
        yield running


@pytest.fixture
def connect() -> "Iterator[Callable[[Server], grpc.Channel]]":
    """Open a channel to a server, a connection of its own each time."""
    with ExitStack() as stack:

        def channel(to: "Server") -> grpc.Channel:
            options: Any = [("grpc.use_local_subchannel_pool", 1)]
            return stack.enter_context(grpc.insecure_channel(to.address, options=options))

        yield channel
