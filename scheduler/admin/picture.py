"""What the page of a job shows at a glance: its states as a line of steps, why, and its devices by node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max
from django.utils.translation import gettext as _told
from django.utils.translation import gettext_lazy as _

from backends.models import Device
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.errors import Message
from scheduler.choices import HOLDING, JobStatus
from scheduler.models import WAITING, Job
from scheduler.outlook import estimates
from scheduler.queries import Place, held_by_jobs, places_of, workers_of


@dataclass(frozen=True, slots=True)
class Step:
    """A state that the job has reached, when, and how many seconds it lasted; None: it is the last one."""

    title: Message
    at: datetime
    lasted: int | None
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Shelf:
    """The devices of a node, and whether the job has each."""

    node: int
    name: str
    devices: Sequence[tuple[int, bool]]


def picture(job: Job) -> dict[str, Any]:
    """Give all of it, in four queries, and two more while it waits."""
    waits = job.status == JobStatus.WAITING
    return {
        "steps": steps(job, db_now()),
        "shelves": shelves(job),
        "holds": job.status in HOLDING,
        "place": place(job) if waits else "",
        "estimate": estimates([job.group_id]).get(job.pk) if waits else None,
    }


def steps(job: Job, now: datetime) -> list[Step]:
    """Give the states that a job has gone through; the one that goes on lasts until now."""
    reached: list[tuple[Message, datetime | None]] = [
        (_("Requested"), job.requested_at),
        (_("Submitted"), job.submitted_at),
        (_("Running"), job.started_at),
        (JobStatus(job.status).label.capitalize(), job.ended_at),
    ]
    known = [(title, at) for title, at in reached if at is not None]
    ends = [at for _title, at in known[1:]] + [None if job.ended_at else now]
    return [
        Step(title, at, _seconds(at, end), goes_on=end == now and not job.ended_at)
        for (title, at), end in zip(known, ends, strict=True)
    ]


def place(job: Job) -> str:
    """Say where a waiting job stands in its group's queue."""
    number = places_of([job]).get(job.pk, Place()).number
    waiting = Job.objects.filter(WAITING, group=job.group_id).count()
    told = _told("%(place)s of %(all)s in %(group)s")
    return told % {"place": number, "all": waiting, "group": job.group.name} if number else ""


def shelves(job: Job) -> list[Shelf]:
    """Give the nodes of the job's latest attempt, each with all its devices."""
    used = {(one.backend_id, one.backend.name): set(one.devices) for one in workers_of(job)}
    if not used:  # jobs that were imported as history never had workers
        for one in held_by_jobs([job.pk]):
            used.setdefault((one.device.backend_id, one.device.backend.name), set()).add(one.device.index)
    sizes = _sizes([node for node, _name in used])
    return [
        Shelf(node, name, [(index, index in mine) for index in range(sizes.get(node, 0) + 1)])
        for (node, name), mine in sorted(used.items(), key=lambda item: item[0][1])
    ]


def _sizes(nodes: list[int]) -> Mapping[int, int]:
    found = Device.objects.filter(backend__in=nodes).order_by().values_list("backend_id")
    return dict(found.annotate(Max("index")))


def _seconds(start: datetime, end: datetime | None) -> int | None:
    return None if end is None else max(0, int((end - start).total_seconds()))
