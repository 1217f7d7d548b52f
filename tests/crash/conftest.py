import os
import random
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from moreh_cloud.supervisor.parts import valkey
from tests import services
from tests.crash.site import Site
from tests.crash.world import NODES


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running installation with three nodes, on a database and a broker of its own."""
    folder = tmp_path_factory.mktemp("s")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MOREH_", "PYTEST_"))}
    server = inherited.pop("DATABASE_URL", "")
    env = {**inherited, "MOREH_DATA_DIR": str(folder), "MOREH_GRPC_PORT": str(services.free_port())}
    with ExitStack() as stack:
        if server:
            env["DATABASE_URL"] = stack.enter_context(services.database_of_its_own(server))
        env["REDIS_URL"], broker = _broker(folder)
        made = Site(folder, env, broker, [_free_udp_port() for _ in range(NODES)])
        stack.callback(made.close)
        for name in ("grpc", "worker", "power", "beat", *made.nodes):
            made.start(name)
        made.wait(lambda: not made.ask("restless"), within=60)
        yield made


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
