"""What `make up` refuses before it starts anything."""

from pathlib import Path

import pytest

from moreh_cloud.supervisor import guards
from moreh_cloud.supervisor.errors import Refused
from moreh_cloud.supervisor.site import Site
from tests.services import free_port


def site(folder: Path, *, own_broker: bool) -> Site:
    return Site(folder, "127.0.0.1", free_port(), "127.0.0.1", free_port(), 0, 0, 0, own_broker)


def test_the_server_s_lock_alone_has_no_broker_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("/tmp/x")  # noqa: S108 - nothing is written there
    guards.require_start(site(folder, own_broker=True))
    monkeypatch.setattr(guards, "find_spec", lambda _name: None)
    with pytest.raises(Refused, match="embedded broker is not installed"):
        guards.require_start(site(folder, own_broker=True))
    guards.require_start(site(folder, own_broker=False))
