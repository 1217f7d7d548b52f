"""Series of each node and device: what was measured, with units and labels, and nothing where it is not known."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backends.models import Agent, Backend, Bmc, Device, Telemetry
from core.clock import db_now
from tests import make
from tests.console.jobs_data import group
from tests.moreh_cloud.metrics.scrape import KEY, Series, ask, scrape

pytestmark = pytest.mark.django_db
HERE = "default_backend_group"
GIB = 2**30


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.MOREH_METRICS_KEY = KEY


def report(node: Backend, index: int, **values: Any) -> None:
    Telemetry.objects.create(device=node.devices.get(index=index), **{"at": db_now(), **values})


def of_devices(told: dict[str, Series] | Any) -> dict[str, Series]:
    """Return the series of devices by what follows moreh_device_, with the labels device, group, model, node."""
    start = "moreh_device_"
    left_out = (f"{start}seconds_total", f"{start}verdicts")
    return {
        name.removeprefix(start): of for name, of in told.items() if name.startswith(start) and name not in left_out
    }


def test_what_was_measured_is_told_in_base_units() -> None:
    node = make.ready_backend(2, name="n1")
    hot: dict[str, float] = {"temperature": 61.5, "memory_temperature": 70, "power": 350, "used_memory": 3 * 1024}
    report(node, 0, **hot, utilization=7, memory_utilization=12.5)
    report(node, 1, temperature=40)
    told = of_devices(scrape())
    first, second = ("0", HERE, "MI250", "n1"), ("1", HERE, "MI250", "n1")
    assert told == {
        "memory_size_bytes": {first: 64 * GIB, second: 64 * GIB},
        "temperature_celsius": {first: 61.5, second: 40},
        "memory_temperature_celsius": {first: 70},
        "utilization_ratio": {first: 0.07},
        "memory_utilization_ratio": {first: 0.125},
        "memory_used_bytes": {first: 3 * GIB},
        "power_watts": {first: 350},
        "state": {(*one, "IDLE", "HEALTHY"): 1 for one in (first, second)},
    }


def test_old_values_are_not_known() -> None:
    silent, off = make.ready_backend(1, name="silent"), make.ready_backend(1, name="off")
    report(silent, 0, temperature=50, at=db_now() - timedelta(minutes=5))
    report(off, 0, temperature=50, at=db_now() - timedelta(seconds=5))
    Bmc.objects.filter(backend=off).update(status="off", checked_at=db_now())
    told = scrape()
    assert "moreh_device_temperature_celsius" not in told
    assert told["moreh_node_power_on"] == {(HERE, "off"): 0}


def test_each_node_tells_its_power_its_bmc_its_agent_and_its_host() -> None:
    nodes = {name: make.backend(1, name=name) for name in ("new", "lost")}
    make.backend(1, name="bare", bmc_ip=None)
    node = make.ready_backend(1, name="n1", group=group("서울"))
    Bmc.objects.filter(backend=node).update(status="on", checked_at=db_now())
    Bmc.objects.filter(backend=nodes["lost"]).update(status="unknown", error="TIMEOUT", checked_at=db_now())
    Backend.objects.filter(pk=nodes["lost"].pk).update(status="SHUTDOWN", why="NODE_LOST")
    Agent.objects.filter(backend=node).update(cpu=12.5, used_memory=1024, total_memory=2048, clock_skew_ms=-250)
    told, it = scrape(), ("서울", "n1")
    assert told["moreh_node_active"] == {it: 1, (HERE, "new"): 1, (HERE, "lost"): 0, (HERE, "bare"): 1}
    assert told["moreh_node_lost"] == {it: 0, (HERE, "new"): 0, (HERE, "lost"): 1, (HERE, "bare"): 0}
    assert told["moreh_node_power_on"] == {it: 1}
    assert told["moreh_node_bmc_reachable"] == {it: 1, (HERE, "lost"): 0}
    assert told["moreh_node_agent_info"] == {(*it, "1.0"): 1}
    assert told["moreh_node_cpu_utilization_ratio"] == {it: 0.125}
    assert told["moreh_node_memory_used_bytes"] == {it: GIB}
    assert told["moreh_node_memory_size_bytes"] == {it: 2 * GIB}
    assert told["moreh_node_clock_skew_seconds"] == {it: -0.25}
    assert 0 <= told["moreh_node_agent_age_seconds"][it] < 10


def test_deleted_nodes_are_not_told() -> None:
    Backend.objects.filter(pk=make.ready_backend(1).pk).update(deleted_at=db_now())
    told = scrape()
    assert "moreh_node_active" not in told
    assert of_devices(told) == {}


def test_a_model_that_would_end_its_line_does_not() -> None:
    node = make.ready_backend(1, name='n "1"\\')
    Device.objects.filter(backend=node).update(model='a "b"\\\nc')
    assert list(of_devices(scrape())["memory_size_bytes"]) == [("0", HERE, 'a "b"\\\nc', 'n "1"\\')]


def test_devices_are_left_out_where_that_is_wished(settings: Any) -> None:
    settings.MOREH_METRICS_DEVICES = False
    make.ready_backend(1, name="n1")
    told = scrape()
    assert of_devices(told) == {}
    assert told["moreh_node_active"] == {(HERE, "n1"): 1}


def test_as_many_queries_for_one_node_as_for_ten() -> None:
    make.ready_backend(1)
    few = queries()
    for _ in range(9):
        make.ready_backend(8)
    assert queries() == few
    assert len(of_devices(scrape())["state"]) == 73


def queries() -> int:
    with CaptureQueriesContext(connection) as seen:
        assert ask().status_code == 200
    return len(seen)
