"""A small cluster with a queue, for the tests of the pages of jobs."""

import re
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from backends.models import Backend, BackendGroup
from core.clock import db_now
from scheduler.choices import Cause, JobStatus
from scheduler.models import Allocation, Job
from scheduler.services.history import PastJob, add_past_jobs
from tests import make
from tests.transitions import unchecked

CLOCK = int(connection.vendor == "postgresql")  # reading the clock is a query there
JOBS, HISTORY, TIMELINE = "/admin/console/jobs/", "/admin/console/history/", "/admin/console/history/timeline/"


class _Cells(HTMLParser):
    """Collects the texts of the cells of every table's body."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._deep = False

    def handle_starttag(self, tag: str, _attrs: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
        self._deep = tag == "td" or (self._deep and tag != "th")

    def handle_endtag(self, tag: str) -> None:
        self._deep = self._deep and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._deep and self.rows and self.rows[-1]:
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {data.strip()}".strip()


def cells(shown: str) -> list[list[str]]:
    """Return what stands in the rows of a page's tables."""
    parser = _Cells()
    parser.feed(shown)
    return [row for row in parser.rows if row]


def job_ids(shown: str) -> list[int]:
    """Return the ids of the jobs in the rows of the jobs page."""
    return [int(pk) for pk in re.findall(r'data-job="(\d+)"', shown)]


def page(browser: Client, address: str, **params: Any) -> str:
    answer = browser.get(address, params)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def queries(browser: Client, address: str, **params: Any) -> int:
    with CaptureQueriesContext(connection) as seen:
        page(browser, address, **params)
    return len(seen)


def past_job(
    node: Backend, *, minutes_ago: float | None = None, ran_s: int = 60, name: str = "train.py", **fields: Any
) -> Job:
    """Make a job that has completed on one device of a node, before others; `fields` are set on its row afterwards."""
    owner = fields.pop("owner", None)
    end = db_now() - timedelta(minutes=10 + 2 * Job.objects.count() if minutes_ago is None else minutes_ago)
    was = PastJob(
        request_id=f"past-{Job.objects.count()}",
        name=name,
        sda=make.sda(1, owner=owner) if owner else make.sda(1),
        priority=fields.pop("priority", 0),
        devices=(node.devices.order_by("index")[fields.pop("device", 0)].pk,),
        requested_at=end - timedelta(seconds=ran_s + 30),
        started_at=end - timedelta(seconds=ran_s),
        ended_at=end,
    )
    add_past_jobs([was], actor=make.ACTOR)
    job = Job.objects.latest("pk")
    with unchecked():
        Job.objects.filter(pk=job.pk).update(**fields)
    job.refresh_from_db()
    return job


def failed_job(node: Backend, **fields: Any) -> Job:
    return past_job(node, status=JobStatus.FAILED, cause=Cause.EXIT_CODE, detail="exit code 3", exit_code=3, **fields)


def group(name: str) -> BackendGroup:
    from backends.services.groups import create_backend_group

    return create_backend_group(name=name, actor=make.ACTOR)


def hold(node: Backend, device: int, start: datetime, end: datetime | None, job: Job) -> Allocation:
    """Write down that a job held a device."""
    return Allocation.objects.create(
        job=job, sda=job.sda, token=job.token, device=node.devices.get(index=device), started_at=start, ended_at=end
    )
