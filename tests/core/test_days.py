"""Days whose midnight does not exist or exists twice are whole days like any other."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.choices import Role
from core.times import read_end_of_day, read_time
from tests.admin_world import client_of

# In America/Santiago, 2026-09-06 begins at 01:00, and 2026-04-04 has its last hour twice.
STARTS = {"2026-09-05": (5, 4), "2026-09-06": (6, 4), "2026-09-07": (7, 3)}


@pytest.mark.parametrize("day", STARTS)
def test_a_day_alone_is_where_it_begins(day: str) -> None:
    with timezone.override("America/Santiago"):
        assert read_time(day) == datetime(2026, 9, *STARTS[day], tzinfo=UTC)


def test_a_day_ends_where_the_next_one_begins() -> None:
    with timezone.override("America/Santiago"):
        assert read_end_of_day("2026-04-04") == datetime(2026, 4, 5, 4, tzinfo=UTC) - timedelta(microseconds=1)
        assert read_end_of_day("2026-09-05") == datetime(2026, 9, 6, 4, tzinfo=UTC) - timedelta(microseconds=1)


@pytest.mark.parametrize("text", ["0001-01-01", "1970-12-30", "9001-01-01", "9999-12-31", "2026-02-30", "", "x"])
def test_what_is_no_day_that_we_keep_is_refused(text: str) -> None:
    for read in (read_time, read_end_of_day):
        with timezone.override("America/Santiago"), pytest.raises(ValidationError):
            read(text)


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
@pytest.mark.parametrize("asked", ["event_time_from_0=2026-09-06", "event_time_to_0=2026-04-04"])
def test_a_list_is_narrowed_by_such_a_day(asked: str, settings: Any) -> None:
    settings.TIME_ZONE = "America/Santiago"
    browser = client_of(Role.READ_ONLY)
    for page in ("", "export.csv"):
        assert browser.get(f"/admin/events/event/{page}?{asked}").status_code == 200
    hour = asked.replace("_0=", "_1=00:30&event_time_from_0=") if "from" in asked else ""
    assert not hour or browser.get(f"/admin/events/event/?{hour}").status_code == 400
