"""What /metrics/targets names to Prometheus, in the format of its HTTP service discovery."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from backends.models import Backend
from core.clock import db_now
from tests import make
from tests.console.jobs_data import group
from tests.moreh_cloud.metrics.scrape import KEY

pytestmark = pytest.mark.django_db
URL = "/metrics/targets"
PORTS = {"dcgm": 9400, "node": 9100}


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.MOREH_METRICS_KEY, settings.MOREH_METRICS_EXPORTERS = KEY, PORTS


def ask(query: str = "", key: str = KEY) -> Any:
    return Client().get(URL + query, headers={"authorization": f"Bearer {key}"})


def target(at: str, exporter: str, node: str, **more: str) -> dict[str, Any]:
    labels = {"node": node, "group": "default_backend_group", "exporter": exporter} | more
    return {"targets": [at], "labels": labels}


def test_each_exporter_of_each_node_with_our_labels() -> None:
    make.backend(name="n1", ip="10.0.0.1", rack="A 1")
    make.backend(name="n2", ip="2001:db8::2", group=group("서울"))
    Backend.objects.filter(pk=make.backend().pk).update(deleted_at=db_now())
    answer = ask()
    assert answer["Content-Type"] == "application/json"
    assert answer.json() == [
        target("10.0.0.1:9400", "dcgm", "n1", rack="A 1"),
        target("10.0.0.1:9100", "node", "n1", rack="A 1"),
        target("[2001:db8::2]:9400", "dcgm", "n2", group="서울"),
        target("[2001:db8::2]:9100", "node", "n2", group="서울"),
    ]


def test_one_kind_of_exporter() -> None:
    make.backend(name="n1", ip="10.0.0.1")
    assert ask("?exporter=node").json() == [target("10.0.0.1:9100", "node", "n1")]
    assert ask("?exporter=amd").json() == []


def test_without_exporters_in_the_settings_there_are_none(settings: Any) -> None:
    settings.MOREH_METRICS_EXPORTERS = {}
    make.backend()
    assert ask().json() == []


def test_who_may_not_read_the_metrics_may_not_read_these(settings: Any) -> None:
    assert (ask(key=f"{KEY}-not").status_code, Client().post(URL).status_code) == (401, 405)
    settings.MOREH_METRICS_KEY = ""
    assert ask().status_code == 404


def test_a_database_that_is_away_is_said() -> None:
    def refuse(*_query: Any) -> None:
        raise OperationalError

    with connection.execute_wrapper(refuse):
        answer = ask()
    assert (answer.status_code, answer.content) == (503, b"database")
