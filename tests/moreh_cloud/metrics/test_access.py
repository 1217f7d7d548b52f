"""Who may read /metrics, and what everybody else is told."""

import gzip
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests import make
from tests.moreh_cloud.metrics.scrape import KEY, URL, ask, body

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.MOREH_METRICS_KEY = KEY


REFUSED = {
    "without a key": {},
    "with another key": {"authorization": "Bearer metrics-key-of-other"},
    "with a part of the key": {"authorization": f"Bearer {KEY[:-1]}"},
    "with an empty key": {"authorization": "Bearer "},
    "with the key as a password": {"authorization": f"Basic {KEY}"},
    "with the key alone": {"authorization": KEY},
    "with letters that no header has": {"authorization": "Bearer 열쇠"},
}


@pytest.mark.parametrize("case", REFUSED)
def test_who_comes(case: str) -> None:
    answer = Client().get(URL, headers=REFUSED[case])
    assert (answer.status_code, answer["WWW-Authenticate"], answer.content) == (401, "Bearer", b"unauthorized")


def test_an_operator_needs_the_key_too() -> None:
    browser = Client()
    browser.force_login(make.operator())
    assert browser.get(URL).status_code == 401


@pytest.mark.parametrize("method", ["get", "head", "post"])
def test_without_a_key_in_the_settings_there_is_no_such_address(settings: Any, method: str) -> None:
    settings.MOREH_METRICS_KEY = ""
    for headers in ({}, {"authorization": "Bearer "}, {"authorization": f"Bearer {KEY}"}):
        assert getattr(Client(), method)(URL, headers=headers).status_code == 404


def test_it_is_only_read_and_never_kept() -> None:
    headers = {"authorization": f"bearer {KEY}"}
    answer, head = Client().get(URL, headers=headers), Client().head(URL, headers=headers)
    assert (answer.status_code, head.status_code, body(head)) == (200, 200, b"")
    assert "no-store" in answer["Cache-Control"]
    for method in ("post", "put", "patch", "delete", "options"):
        assert getattr(Client(), method)(URL, headers=headers).status_code == 405


def test_who_can_read_openmetrics_gets_it() -> None:
    answer = ask(accept="application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
    assert answer["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    parse: Any = text_string_to_metric_families
    told = body(answer)
    families = {family.name: family for family in parse(told.decode())}
    assert (families["moreh_device_seconds"].type, families["moreh_device_seconds"].unit) == ("counter", "seconds")
    assert told.endswith(b"# EOF\n")
    assert told.count(b"# EOF") == 1


ENCODINGS = {"": False, "gzip": True, "deflate, gzip;q=0.5": True, "gzip;q=0": False, "gzip;q=0.0, br": False}


@pytest.mark.parametrize("accepted", ENCODINGS)
def test_it_is_compressed_for_who_can_read_that(accepted: str) -> None:
    answer = ask(**{"accept-encoding": accepted})
    told = body(answer)
    assert answer.has_header("Content-Encoding") == ENCODINGS[accepted]
    text = gzip.decompress(told) if ENCODINGS[accepted] else told
    assert text.startswith(b"# HELP moreh_nodes Nodes by status.\n")
    assert {"Accept", "Accept-Encoding"} <= set(answer["Vary"].split(", "))


def refuse(*_query: Any) -> None:
    raise OperationalError("the server is away; password=s3cret")


def test_a_database_that_is_away_is_said() -> None:
    with connection.execute_wrapper(refuse):
        answer = ask()
    assert (answer.status_code, answer.content) == (503, b"database")
    assert "no-store" in answer["Cache-Control"]


def test_the_key_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    for key in (KEY, f"{KEY}-not"):
        ask(key)
    assert KEY not in caplog.text
