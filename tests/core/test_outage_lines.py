"""What is tried at every tick and page is said once when it begins to fail, and once when it works again."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError
from structlog.testing import capture_logs

from console.live.topics import Pulse
from console.live.watcher import Watcher
from core.throttle import Bucket
from scheduler.estimates.start_estimates import estimates, estimates_version, refresh_estimates
from tests import make, services


@pytest.mark.django_db
def test_a_cache_that_is_away_is_said_once(settings: Any) -> None:
    group = make.default_group().pk
    whole = settings.CACHES
    away = {**whole["default"], "LOCATION": f"redis://127.0.0.1:{services.free_port()}"}
    with capture_logs() as lines:
        for _round in range(2):
            settings.CACHES = {"default": away}
            for _tick in range(2):
                assert (dict(estimates([group])), estimates_version()) == ({}, "")
                refresh_estimates(group)
            settings.CACHES = whole
            cache.delete(f"outlook:{group}:turn")
            for _tick in range(2):
                estimates([group])
                refresh_estimates(group)
    said = [(line["event"], line.get("group")) for line in lines if line["event"].startswith("outlook")]
    assert (
        said
        == [
            ("outlook_not_read", None),
            ("outlook_not_kept", group),
            ("outlook_read", None),
            ("outlook_kept", None),
        ]
        * 2
    )


def test_a_throttle_without_a_broker_is_said_once(settings: Any) -> None:
    whole, bucket = settings.REDIS_URL, Bucket("rest")
    settings.REDIS_URL = f"redis://127.0.0.1:{services.free_port()}"
    with capture_logs() as lines:
        for url in (settings.REDIS_URL, settings.REDIS_URL, whole, whole):
            settings.REDIS_URL, bucket._client, bucket._away_until = url, None, 0
            assert bucket.take("kim", rate=1, burst=9) == 0
    assert [(line["event"], line["bucket"]) for line in lines] == [("throttle_open", "rest"), ("throttle_back", "rest")]


def test_a_pulse_without_a_database_is_said_once() -> None:
    answers: Iterator[Pulse | OperationalError] = iter(
        [OperationalError(), OperationalError(), {"jobs": "1"}, {"jobs": "2"}]
    )

    def read() -> Pulse:
        answer = next(answers)
        if isinstance(answer, OperationalError):
            raise answer
        return answer

    watcher = Watcher(read, most=1)
    with capture_logs() as lines:
        assert [watcher._read_or_last() for _second in range(4)] == [{}, {}, {"jobs": "1"}, {"jobs": "2"}]
    assert [line["event"] for line in lines] == ["pulse_unread", "pulse_read"]
