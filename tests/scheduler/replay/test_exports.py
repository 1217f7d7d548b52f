"""Our own exports of jobs are traces: what was here is replayed elsewhere."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Model
from django.urls import reverse

from accounts.choices import Role
from scheduler.models import Job
from scheduler.replay.trace import TraceJob, read_jobs
from tests import make
from tests.admin_world import client_of
from tests.api import V2
from tests.api import client as portal

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
NOON_MS = 1_772_625_600_000


@pytest.fixture
def customer() -> Model:
    """Return a token whose jobs were: one of 90 s with a limit, after 30 s in the queue; one canceled while waiting."""
    token = make.token(description="me", max_duplicates=0, priority=-7)
    sda = make.sda(4, owner=token)
    ran, canceled = make.job(sda, time_limit=timedelta(seconds=100)), make.job(sda)
    start, end = NOON + timedelta(seconds=30), NOON + timedelta(seconds=120, milliseconds=5)
    times: dict[str, Any] = {"requested_at": NOON, "submitted_at": start, "started_at": start, "ended_at": end}
    Job.objects.filter(pk=ran.pk).update(status="COMPLETED", **times)
    Job.objects.filter(pk=canceled.pk).update(status="CANCELED", requested_at=NOON, ended_at=end)
    return token


def _of_the_console(_token: Model) -> tuple[Any, str, int | None]:
    return client_of(Role.GENERAL).get(reverse("console:history-export", args=["csv"])), str(_token.pk), None


def _of_the_job_list(_token: Model) -> tuple[Any, str, int | None]:
    page = reverse("admin:scheduler_job_export_csv")
    return client_of(Role.GENERAL).get(page, {"phase": "all"}), "me", None


def _of_rest(_token: Model) -> tuple[Any, str, int | None]:
    answer = portal().get(f"{V2}/scheduler/history", headers={"accept": "text/csv"})
    return answer, "me", 100_000


EXPORTS = {"the console's history": _of_the_console, "the admin's list of jobs": _of_the_job_list, "REST": _of_rest}


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_an_export_is_a_trace(export: Any, customer: Model, tmp_path: Path) -> None:
    answer, user, limit_ms = export(customer)
    assert answer.status_code == 200
    (tmp_path / "jobs.csv").write_bytes(b"".join(answer.streaming_content))
    trace = read_jobs(tmp_path / "jobs.csv")
    number = str(Job.objects.earliest("pk").pk)
    assert trace.jobs == (TraceJob(number, user, 4, -7, NOON_MS, 90_005, limit_ms),)
    assert trace.left_out == {"never ran": 1}
