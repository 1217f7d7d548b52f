"""The history of devices in the cache: means, gaps, limits, and what pages and REST show of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.choices import Role
from backends.models import Backend
from backends.queries import device_history
from backends.queries.cached_telemetry import nodes_in_cache
from backends.services import telemetry_means
from backends.services.telemetry import TelemetryReport, store_telemetry
from backends.services.telemetry_means import TelemetryMeans
from backends.telemetry_history import cached
from backends.telemetry_history.cached import SLOT_S, bytes_of, slot_of
from scheduler.queries import device_history as histories
from tests import make
from tests.admin_world import client_of
from tests.api import V2, client, refused
from tests.transitions import unchecked

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIVE = timedelta(seconds=SLOT_S)
GAP = [None]
Report = tuple[float | None, ...]
"""Used memory, temperature, that of the memory, utilization, that of the memory, power."""


class Clock:
    """The time of the database, as this test sets it."""

    now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (telemetry_means, device_history, histories):
        monkeypatch.setattr(module, "db_now", made)
    return made


def report(node: Backend, *devices: Report) -> TelemetryReport:
    return TelemetryReport(node.pk, UUID(int=0), 1, None, None, None, tuple(enumerate(devices)))


def fill(node: Backend, clock: Clock, slots: Sequence[Sequence[Sequence[Report]]]) -> None:
    """Let a node report, five minutes after five minutes, and write each of them once it is over."""
    means = TelemetryMeans()
    for reports in slots:
        means.write()
        for devices in reports:
            means.add([report(node, *devices)], clock.now + timedelta(seconds=1))
        clock.now += FIVE
    means.write()
    clock.now += timedelta(seconds=20)


def values(node: Backend, column: str, length: str = "1h") -> list[list[float | None]]:
    return [list(one.values[column]) for one in histories.history_of_node(node, length).devices]


def temperatures(*degrees: float | None) -> list[Report]:
    return [(None, one, None, None, None, None) for one in degrees]


def test_each_five_minutes_are_the_means_of_what_was_measured(clock: Clock) -> None:
    node = make.backend(2)
    first, second = (32_000.0, 60.0, 1.0, 90.0, 1.0, 400.0), (32_032.0, 61.5, 1.0, 95.0, 1.0, 401.0)
    unknown: Report = (None,) * 6
    fill(node, clock, [[[first, unknown], [second, (None, 50.0, None, None, None, None)]]])
    history = histories.history_of_node(node, "1h")
    assert [(one.index, {name: kept[-1] for name, kept in one.values.items()}) for one in history.devices] == [
        (0, {"temperature": 60.75, "utilization": 92.5, "used_memory": 32_016.0, "power": 400.5}),
        (1, {"temperature": 50.0, "utilization": None, "used_memory": None, "power": None}),
    ]
    assert (history.grid.end, history.grid.step) == (int((NOON + FIVE).timestamp()), SLOT_S)


def test_what_was_not_reported_is_a_gap_also_a_day_later(clock: Clock) -> None:
    node = make.backend(1)
    fill(node, clock, [[temperatures(40)], [], [temperatures(50)]])
    assert values(node, "temperature") == [GAP * 9 + [40.0, None, 50.0]]
    clock.now += timedelta(days=1) - FIVE
    assert values(node, "temperature", "24h") == [[50.0] + GAP * 287]
    clock.now += FIVE  # its slots are used again from now on
    assert values(node, "temperature", "24h") == [GAP * 288]
    fill(node, clock, [[temperatures(70)]])
    assert [known for known in values(node, "temperature", "24h")[0] if known] == [70.0]


def test_a_node_with_another_number_of_devices_begins_anew(clock: Clock) -> None:
    node = make.backend(1)
    fill(node, clock, [[temperatures(40)]])
    make.hello(node, 2)
    clock.now = NOON + FIVE
    fill(node, clock, [[temperatures(41, 42)]])
    assert [kept[-2:] for kept in values(node, "temperature")] == [[None, 41.0], [None, 42.0]]


def test_of_two_servers_the_one_with_more_reports_stays(clock: Clock) -> None:
    node = make.backend(1)
    one, other = TelemetryMeans(), TelemetryMeans()
    for means, degrees, many in ((one, 40, 3), (other, 80, 2)):
        means.write()
        for _ in range(many):
            means.add([report(node, *temperatures(degrees))], clock.now)
    clock.now += FIVE
    one.write()
    other.write()
    clock.now += timedelta(seconds=20)
    assert values(node, "temperature")[0][-1] == 40.0


def test_only_what_is_stored_counts(clock: Clock) -> None:
    node = make.backend(1)
    session = make.hello(node, 1)
    fresh = TelemetryReport(node.pk, session, 10**9, None, None, None, ((0, (None, 40.0, None, None, None, None)),))
    _at, kept = store_telemetry([fresh])
    assert kept == [fresh]
    assert store_telemetry([fresh])[1] == []


def test_memory_is_bounded_and_later_nodes_are_told_so(clock: Clock, settings: Any, broker: redis.Redis) -> None:
    settings.MOREH_CHARTS_MIB = 1
    fitting = (1024 * 1024) // bytes_of(32)
    nodes = [make.backend(32) for _ in range(fitting + 1)]
    with CaptureQueriesContext(connection) as asked:
        assert nodes_in_cache() == {node.pk: 32 for node in nodes[:-1]}
    assert len(asked) == 1
    means = TelemetryMeans()
    means.write()
    means.add([report(node, *temperatures(*[50] * 32)) for node in nodes], clock.now)
    clock.now += FIVE * 287
    means.add([report(node, *temperatures(*[50] * 32)) for node in nodes], clock.now)
    means.write(all_of_it=True)
    keys = list(broker.scan_iter("moreh:telemetry:[0-9]*"))
    assert sorted(keys) == sorted(f"moreh:telemetry:{node.pk}".encode() for node in nodes[:-1])
    assert max(broker.memory_usage(key) or 0 for key in keys) <= bytes_of(32)
    assert 0 < broker.ttl(keys[0]) <= cached.EXPIRES_S
    clock.now += FIVE + timedelta(seconds=20)
    assert [one.pk for one in histories.history_of_node(nodes[-1], "1h").beyond] == [nodes[-1].pk]
    answer = client_of(Role.READ_ONLY).get(chart("node", nodes[-1].pk)).json()
    assert answer["empty"].startswith("No history is kept of this node: MOREH_CHARTS_MIB")


def chart(noun: str, pk: int, column: str = "temperature", length: str = "1h") -> str:
    return reverse(f"console:telemetry-{noun}", args=[pk, column]) + f"?range={length}"


def test_charts_have_lines_of_few_devices_and_a_band_of_many(clock: Clock) -> None:
    node, large = make.backend(2, name="gpu-1"), make.backend(7)
    fill(node, clock, [[[(2048, 40, None, None, None, None), (1024, None, None, None, None, None)]]])
    clock.now = NOON
    fill(large, clock, [[temperatures(40, 41, 42, 43, 44, 45, 60)]])
    browser = client_of(Role.READ_ONLY)
    shown = browser.get(chart("node", node.pk, "used_memory")).json()
    assert (shown["unit"], shown["times"][-1]) == ("GiB", int((NOON + FIVE).timestamp()) * 1000)
    assert [(line["name"], line["values"][-1]) for line in shown["series"]] == [("00", 2.0), ("01", 1.0)]
    assert len(browser.get(chart("node", node.pk)).json()["series"]) == 1
    (device,) = browser.get(chart("device", node.devices.get(index=1).pk, "used_memory")).json()["series"]
    assert (device["name"], device["values"][-1]) == ("01", 1.0)
    band = browser.get(chart("node", large.pk)).json()["series"]
    assert [(line["name"], line["values"][-1]) for line in band] == [("highest", 60), ("average", 45), ("lowest", 40)]
    assert browser.get(chart("node", node.pk, "temperature", "7d")).status_code == 400
    means = "Values are kept as means of five minutes, for 24 hours; the first appear after five minutes."
    assert browser.get(chart("node", node.pk, "power")).json()["empty"] == f"Nothing is known of this time. {means}"
    assert (shown["note"], browser.get(chart("node", node.pk, "power")).json()["note"]) == (means, "")
    fill(node, clock, [[temperatures(40, 40)]])
    assert browser.get(chart("node", node.pk)).json()["note"] == means
    fill(node, clock, [[temperatures(40, 40)]])
    assert browser.get(chart("node", node.pk)).json()["note"] == ""


def test_a_job_has_its_devices_while_it_ran(clock: Clock) -> None:
    node = make.ready_backend(2)
    job = make.running_job(node)
    fill(node, clock, [[temperatures(40, 41)], [temperatures(50, 51)], [temperatures(60, 61)]])
    jobs = type(job).objects.filter(pk=job.pk)
    jobs.update(started_at=NOON + FIVE)
    browser = client_of(Role.READ_ONLY)
    with CaptureQueriesContext(connection) as asked:
        (line,) = browser.get(chart("job", job.pk, length="run")).json()["series"]
    assert (line["name"], line["values"], len(asked)) == ("00", [50.0, 60.0], 4)
    with unchecked():
        jobs.update(status="COMPLETED", ended_at=NOON + 2 * FIVE)
    assert browser.get(chart("job", job.pk, length="run")).json()["series"][0]["values"] == [50.0]


def test_pages_have_the_charts_without_a_query_more(clock: Clock, settings: Any) -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    browser = client_of(Role.READ_ONLY)
    pages = {
        "node": reverse("admin:backends_backend_change", args=[node.pk]),
        "device": reverse("admin:backends_device_change", args=[node.devices.get().pk]),
        "job": reverse("admin:scheduler_job_change", args=[job.pk]),
    }
    for noun, address in pages.items():
        text = browser.get(address).content.decode()
        assert text.count('data-chart="/admin/console/telemetry/' + noun) == 4, noun
        assert ('data-range="run"' in text, 'data-range="7d"' in text) == (noun == "job", False)
    settings.MOREH_PROMETHEUS_URL = "http://prometheus.invalid"
    assert 'data-range="7d"' in browser.get(pages["node"]).content.decode()


def test_where_nothing_is_kept_pages_say_so(clock: Clock, settings: Any, broker: redis.Redis) -> None:
    settings.MOREH_CHARTS_MIB = 0
    node = make.backend(1)
    fill(node, clock, [[temperatures(40)]])
    assert broker.keys("moreh:telemetry:*") == []
    shown = client_of(Role.READ_ONLY).get(chart("node", node.pk)).json()
    assert (shown["series"], shown["empty"].split(":")[0]) == ([], "No history is kept")


def test_rest_lists_the_same_values(clock: Clock) -> None:
    node, api = make.ready_backend(2, name="gpu-2"), client()
    job = make.running_job(node)
    fill(node, clock, [[[(1024, 40.5, None, 10, None, 300), (None,) * 6]]])
    url = f"{V2}/backend/device/history"
    answer = api.get(f"{url}?backend={node.pk}&device=0&range=1h")
    (found,) = answer.json()
    assert {name: value[-1] for name, value in found.items() if isinstance(value, list)} == {
        "temperature": 40.5, "utilization": 10.0, "usedMemory": 1024.0, "power": 300.0,
    }  # fmt: skip
    assert {name: value for name, value in found.items() if not isinstance(value, list)} == {
        "backendId": str(node.pk), "device": 0, "deviceName": "gpu-2/00", "source": "CACHE",
        "firstAt": "2026-03-01T11:10:00.000Z", "step": 300,
    }  # fmt: skip
    assert len(found["power"]) == 12
    tag = answer.headers["ETag"]
    assert api.get(f"{url}?backend={node.pk}&device=0&range=1h", headers={"If-None-Match": tag}).status_code == 304
    clock.now += FIVE
    assert api.get(f"{url}?backend={node.pk}&device=0&range=1h", headers={"If-None-Match": tag}).status_code == 200
    type(job).objects.filter(pk=job.pk).update(started_at=NOON)
    assert [one["deviceName"] for one in api.get(f"{url}?job={job.pk}").json()] == ["gpu-2/00"]
    for wrong, named in (
        ("", "backend"),
        (f"backend={node.pk}&job={job.pk}", "backend"),
        (f"job={job.pk}&device=0", "device"),
    ):
        assert refused(api.get(f"{url}?{wrong}")) == (400, "INVALID_PARAMETER", [named])
    assert slot_of(NOON) * SLOT_S == NOON.timestamp()
