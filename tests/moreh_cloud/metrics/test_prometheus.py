"""A real Prometheus scrapes a real server of ours, and has data for every panel and every variable."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from backends.models import Backend
from backends.telemetry_history import shapes
from scheduler.models import Job, Worker
from scheduler.queries.device_history import history_of_job, history_of_node
from tests import services
from tests.moreh_cloud.metrics.files import RULES, panels, rules, variables
from tests.moreh_cloud.metrics.scrape import KEY
from tests.moreh_cloud.metrics.world import count, populate

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.slow, pytest.mark.only_sqlite, pytest.mark.django_db(transaction=True)]
EVERY = "500ms"
NAME = 'gpu-1 "a"|\\d.*{x}'  # everything that a query must not read as part of itself
TIMEOUT = 30.0  # seconds


def test_it_finds_data_for_every_panel_and_chart(
    live_server: "LiveServer", settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MOREH_METRICS_KEY, settings.MOREH_METRICS_EXPORTERS = KEY, {"node": 1}
    populate()
    Backend.objects.update(name=NAME)
    with prometheus(tmp_path, live_server.url) as query:
        await_data(query, "count_over_time(moreh_nodes[1m]) > 1")  # a rate needs two scrapes
        count()
        await_data(query, "rate(moreh_tasks_total[1m]) > 0")
        for _title, expr in (*panels(), *variables()):
            await_data(query, expr)  # on a busy machine a scrape may be late, and then a rate has no value
        for rule in rules():
            query(rule["expr"])
        assert await_data(query, 'up{job="exporters"}')[0]["metric"]["exporter"] == "node"
        assert await_data(query, "moreh:fleet_devices_in_use:ratio")[0]["value"][1] == "0.5"
        settings.MOREH_PROMETHEUS_URL, settings.MOREH_PROMETHEUS_KEY = query.address, "not-asked-for"
        monkeypatch.setattr(shapes, "STEPS", (1,))
        check_histories()


def check_histories() -> None:
    """Compare the histories of a node, a device and a job with what the world has: every value is 40."""
    node, job = Backend.objects.get(), Job.objects.get(status="RUNNING")
    every = {name: {40.0, None} for name in shapes.MEASURED}
    histories = {
        (0, 1): history_of_node(node, "1h"),
        (1,): history_of_node(node, "1h", 1),
        tuple(Worker.objects.get(job=job).devices): history_of_job(job),
    }
    for indexes, history in histories.items():
        assert (history.source, tuple(one.index for one in history.devices)) == ("PROMETHEUS", indexes)
        for one in history.devices:
            assert {name: set(values) for name, values in one.values.items()} == every
            assert len(one.values["power"]) == len(history.grid.times)
    node.name = ".*"
    assert history_of_node(node, "1h").devices == []


@contextmanager
def prometheus(folder: Path, server: str) -> Iterator[Any]:
    """Run Prometheus; yields a function that returns what an expression finds, with its address."""
    address = f"127.0.0.1:{services.free_port()}"
    host = server.removeprefix("http://")
    (folder / "key").write_text(KEY)
    access = {"authorization": {"type": "Bearer", "credentials_file": str(folder / "key")}}
    config = {
        "global": {"scrape_interval": EVERY, "evaluation_interval": EVERY, "scrape_timeout": EVERY},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": "moreh-cloud", "static_configs": [{"targets": [host]}]} | access,
            {"job_name": "exporters", "http_sd_configs": [{"url": f"{server}/metrics/targets"} | access]},
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command.append(f"--web.listen-address={address}")
    with (folder / "log").open("wb") as log, httpx.Client(base_url=f"http://{address}") as web:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            query: Any = partial(_query, web)
            query.address = f"http://{address}"
            yield query
        finally:
            process.terminate()
            process.wait(10)


def _query(web: httpx.Client, expr: str) -> list[Any]:
    answer = web.get("/api/v1/query", params={"query": expr})
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return []  # it is starting
    found = json.loads(answer.text)
    assert found["status"] == "success", (expr, found)
    result: list[Any] = found["data"]["result"]
    return result


def await_data(query: Any, expr: str) -> list[Any]:
    until = time.monotonic() + TIMEOUT
    while time.monotonic() < until:
        with suppress(httpx.TransportError):
            if found := query(expr):
                return list(found)
        time.sleep(0.1)
    raise TimeoutError(expr, query("up"))
