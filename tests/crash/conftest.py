import os
import random
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from moreh_cloud.supervisor.parts import valkey
from tests import services, tables
from tests.crash.constants import NODES
from tests.crash.site import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running installation with three nodes, on a database and a broker of its own, for one file of tests."""
    with new_site(tmp_path_factory) as site:
        yield site


@contextmanager
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run an installation, for files of tests that change what others rely on."""
    with ExitStack() as stack:
        server = os.environ.get("DATABASE_URL", "")
        url = stack.enter_context(services.database_of_its_own(server)) if server else ""
        yield stack.enter_context(installation(tmp_path_factory.mktemp("s"), url))


@contextmanager
def installation(folder: Path, database_url: str = "") -> Iterator[Site]:
    """Run all processes but the web server in `folder`; without a URL on SQLite."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MOREH_", "PYTEST_", "DATABASE_"))}
    env |= {f"MOREH_{name}_PORT": str(services.free_port()) for name in ("GRPC", "HTTP")}
    env |= {"MOREH_DATA_DIR": str(folder), **({"DATABASE_URL": database_url} if database_url else {})}
    env["REDIS_URL"], broker = _broker(folder)
    if not database_url:
        tables.copy_to_file(folder / "moreh.sqlite3")
    site = Site(folder, env, broker, [_free_udp_port() for _ in range(NODES)])
    try:
        for name in ("grpc", "worker", "power", "beat", *site.nodes):
            site.start(name)
        site.wait(lambda: not site.ask("restless"), within=60)
        yield site
    finally:
        site.close()


@pytest.fixture
def chance() -> random.Random:
    """Randomness whose seed is printed with a failure."""
    seed = int(os.environ.get("MOREH_TEST_CRASH_SEED") or secrets.randbits(32))
    print(f"MOREH_TEST_CRASH_SEED={seed}")
    return random.Random(seed)  # noqa: S311 - reproducible is what it must be


def _broker(folder: Path) -> tuple[str, list[str]]:
    if os.environ.get("MOREH_TEST_BROKER", "valkey") == "valkey":
        return f"unix://{folder / 'valkey.sock'}", valkey(folder)
    port = services.free_port()
    options = {"port": str(port), "bind": "127.0.0.1", "save": "", "dir": str(folder)}
    command = ["redis-server", *(word for name, value in options.items() for word in (f"--{name}", value))]
    return f"redis://127.0.0.1:{port}/0", command


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
