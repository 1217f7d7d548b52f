"""The database counts milliseconds as Python does."""

from datetime import UTC, datetime, timedelta

import pytest

from core.clock import Milliseconds, from_ms, to_ms
from scheduler.models import Job
from tests import make

TIMES = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(2026, 11, 30, 0, 0, 0, 1_000, tzinfo=UTC),
    datetime(2099, 12, 31, 12, 34, 56, 789_000, tzinfo=UTC),
]


@pytest.mark.django_db
@pytest.mark.parametrize("at", [*TIMES, *(TIMES[2] + timedelta(milliseconds=337 * i) for i in range(5))])
def test_a_column_in_milliseconds(at: datetime) -> None:
    job = make.job()
    Job.objects.filter(pk=job.pk).update(requested_at=at)
    (ms,) = Job.objects.values_list(Milliseconds("requested_at"), flat=True)
    assert (ms, from_ms(ms)) == (to_ms(at), at)
