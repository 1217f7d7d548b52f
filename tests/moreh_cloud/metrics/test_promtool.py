"""Prometheus's own linter finds nothing to say about our names, types, units and format."""

import subprocess
from typing import Any

import pytest

from tests.moreh_cloud.metrics.scrape import KEY, ask, body
from tests.moreh_cloud.metrics.world import populate

pytestmark = [pytest.mark.django_db, pytest.mark.only_sqlite]


def lint(text: bytes) -> str:
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    return (done.stdout + done.stderr).decode()


def test_the_linter_finds_what_is_wrong() -> None:
    assert "non-counter metrics should not have" in lint(b"# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n")


def test_the_linter_finds_nothing_in_ours(settings: Any) -> None:
    settings.MOREH_METRICS_KEY = KEY
    populate()
    assert lint(body(ask())) == ""
