"""The summary on the page of a job: its states as steps, its place while it waits, and its devices by node."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backends.queries.devices import last_indexes
from core.clock import db_now
from core.errors import Message
from scheduler.choices import HOLDING, JobStatus
from scheduler.estimates.start_estimates import estimates
from scheduler.models import WAITING, Job
from scheduler.queries.allocations import held_by_jobs
from scheduler.queries.queue import QueuePlace, places_of
from scheduler.queries.workers import workers_of


@dataclass(frozen=True, slots=True)
class JobStep:
    """A state that the job has reached, when, and how many seconds it lasted; None for the state in which it ended."""

    title: Message
    at: datetime
    lasted: int | None
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Shelf:
    """The devices of a node by index, and whether the job has each; the rack of the node is "" if it is unknown."""

    node: int
    name: str
    rack: str
    devices: Sequence[tuple[int, bool]]


def picture(job: Job) -> dict[str, Any]:
    """Return the variables of the template, in four queries, and in two more while the job waits."""
    waits = job.status == JobStatus.WAITING
    return {
        "steps": steps(job, db_now()),
        "shelves": shelves(job),
        "holds": job.status in HOLDING,
        "place": place(job) if waits else "",
        "estimate": estimates([job.group_id]).get(job.pk) if waits else None,
    }


def steps(job: Job, now: datetime) -> list[JobStep]:
    """Return the states that a job has gone through; the present one lasts until now."""
    reached: list[tuple[Message, datetime | None]] = [
        (_("Requested"), job.requested_at),
        (_("Submitted"), job.submitted_at),
        (_("Running"), job.started_at),
        (JobStatus(job.status).label.capitalize(), job.ended_at),
    ]
    known = [(title, at) for title, at in reached if at is not None]
    ends = [at for _title, at in known[1:]] + [None if job.ended_at else now]
    return [
        JobStep(title, at, _seconds(at, end), goes_on=end == now and not job.ended_at)
        for (title, at), end in zip(known, ends, strict=True)
    ]


def place(job: Job) -> str:
    """Return the place of a waiting job in its group's queue as a text; "" when it no longer waits."""
    number = places_of([job]).get(job.pk, QueuePlace()).number
    waiting = Job.objects.filter(WAITING, group=job.group_id).count()
    text = gettext("%(place)s of %(all)s in %(group)s")
    return text % {"place": number, "all": waiting, "group": job.group.name} if number else ""


def shelves(job: Job) -> list[Shelf]:
    """Return the nodes of the job's latest attempt, each with all its devices."""
    used = {(one.backend_id, one.backend.name, one.backend.rack): set(one.devices) for one in workers_of(job)}
    if not used:  # jobs that were imported as history never had workers
        for one in held_by_jobs([job.pk]):
            node = one.device.backend
            used.setdefault((node.pk, node.name, node.rack), set()).add(one.device.index)
    sizes = last_indexes(node for node, _name, _rack in used)
    return [
        Shelf(node, name, rack, [(index, index in mine) for index in range(sizes.get(node, 0) + 1)])
        for (node, name, rack), mine in sorted(used.items(), key=lambda item: item[0][1])
    ]


def _seconds(start: datetime, end: datetime | None) -> int | None:
    return None if end is None else max(0, int((end - start).total_seconds()))
