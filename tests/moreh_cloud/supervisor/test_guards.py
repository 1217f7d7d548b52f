"""What `make up` refuses before it starts anything."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from moreh_cloud.management.commands.up import webhooks_here
from moreh_cloud.supervisor import guards, parts
from moreh_cloud.supervisor.errors import Refused
from moreh_cloud.supervisor.site import Site, parse
from moreh_cloud.supervisor.up import notes_of
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


def test_a_newcomer_is_told_of_mail_webhooks_and_metrics() -> None:
    plain = site(Path("/data"), own_broker=True)
    assert notes_of(plain) == "  mail      no server (MOREH_MAIL_URL); mails are files in /data/mail\n"
    told = replace(plain, mail_server=True, metrics_key=True, webhooks_here=True)
    assert parse(told.arguments()) == told
    assert notes_of(told) == (
        "  webhooks  may go to http:// and to this machine (demo; see MOREH_OUTBOX_HTTP and MOREH_OUTBOX_NETWORKS)\n"
        f"  metrics   {plain.web}/metrics (Authorization: Bearer and MOREH_METRICS_KEY)\n"
    )


DEMOS: dict[str, tuple[str, int, dict[str, str], bool]] = {
    "a demo on loopback": ("127.0.0.1", 2, {}, True),
    "a demo on loopback of IPv6": ("[::1]", 2, {}, True),
    "a demo that others can reach": ("0.0.0.0", 2, {}, False),  # noqa: S104
    "no simulated fleet": ("127.0.0.1", 0, {}, False),
    "a demo whose settings say it": ("127.0.0.1", 2, {"MOREH_OUTBOX_HTTP": "0"}, False),
    "a demo whose settings name networks": ("127.0.0.1", 2, {"MOREH_OUTBOX_NETWORKS": "10.0.0.0/8"}, False),
}


@pytest.mark.parametrize("case", DEMOS)
def test_webhooks_may_go_to_this_machine_in(case: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host, nodes, environment, allowed = DEMOS[case]
    settings.MOREH_HTTP_HOST, settings.MOREH_DEMO_NODES = host, nodes
    for name in ("MOREH_OUTBOX_HTTP", "MOREH_OUTBOX_NETWORKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert webhooks_here() is allowed
    given = parts.environment(replace(site(Path("/data"), own_broker=True), webhooks_here=webhooks_here()))
    wanted = {"MOREH_OUTBOX_HTTP": "1", "MOREH_OUTBOX_NETWORKS": "127.0.0.0/8,::1/128"} if allowed else environment
    assert {name: given[name] for name in given if name.startswith("MOREH_OUTBOX_")} == wanted
