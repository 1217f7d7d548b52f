"""A flood of refused requests is one log line at first, then one count a minute."""

import json
import logging
from io import StringIO
from logging.config import dictConfig
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest
from django.test import Client
from structlog.testing import capture_logs

from core.repeated_lines import MANY, RepeatedLines

BURST = 30


def _line(address: str = "192.0.2.1", status: int = 401) -> logging.LogRecord:
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = address
    record = logging.LogRecord("django.request", logging.WARNING, "", 0, "Unauthorized", (), None)
    record.request, record.status_code = request, status
    return record


class Clock:
    """Starts what is due later only when told to."""

    def __init__(self) -> None:
        self.due: list[Any] = []

    def start(self, seconds: float, work: Any) -> None:
        assert seconds == 60.0
        self.due.append(work)

    def minute(self) -> None:
        due, self.due = self.due, []
        for work in due:
            work()


def _told(clock: Clock) -> list[tuple[object, ...]]:
    """Return the counts that are logged when a minute is over."""
    with capture_logs() as logs:
        clock.minute()
    return [(one["site"], one["status"], one["route"], one["count"]) for one in logs]


def test_the_first_is_a_line_and_the_others_are_counted_each_minute() -> None:
    clock = Clock()
    lines = RepeatedLines(clock.start)
    assert [lines.filter(_line()) for _time in range(4)] == [True, False, False, False]
    assert lines.filter(_line("192.0.2.2"))
    assert lines.filter(_line(status=429))
    assert _told(clock) == [("192.0.2.1", 401, "", 3)]
    assert [lines.filter(_line()), lines.filter(_line()), lines.filter(_line("192.0.2.2"))] == [False, False, True]
    assert _told(clock) == [("192.0.2.1", 401, "", 2)]
    assert (_told(clock), clock.due) == ([], [])
    assert lines.filter(_line())


def test_addresses_beyond_number_are_counted_together() -> None:
    clock = Clock()
    lines = RepeatedLines(clock.start)
    written = [lines.filter(_line(f"10.0.{n // 250}.{n % 250}")) for n in range(MANY + 50)]
    assert (sum(written), len(clock.due)) == (MANY + 1, 1)
    assert _told(clock) == [("", 0, "", 49)]


def test_other_lines_pass() -> None:
    lines = RepeatedLines(Clock().start)
    plain = logging.LogRecord("scheduler", logging.WARNING, "", 0, "tick_failed", (), None)
    assert [lines.filter(plain), lines.filter(plain)] == [True, True]
    assert [lines.filter(_line(status=500)), lines.filter(_line(status=500))] == [True, True]


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
def test_a_flood_of_refused_log_ins_is_one_line() -> None:
    dictConfig(settings.LOGGING)
    (handler,) = (one for one in logging.getLogger().handlers if isinstance(one, logging.StreamHandler))
    stream = StringIO()
    before = handler.setStream(stream)
    try:
        for _time in range(BURST):
            Client().post("/api/v2/auth/token", {"id": "nobody", "password": "x"}, "application/json")
            Client().post("/admin/login/", {"username": "nobody", "password": "x"})
    finally:
        handler.setStream(before)
    lines = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert sorted(line for line in lines if line != "requests_refused") == [  # the counts of earlier tests
        "Too Many Requests: /admin/login/",
        "Too Many Requests: /api/v2/auth/token",
        "Unauthorized: /api/v2/auth/token",
    ]
