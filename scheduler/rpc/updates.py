"""Updates of jobs for their clients."""

from collections.abc import Iterable, Mapping

from core.clock import to_ms
from protocol.v1 import jobs_pb2 as pb
from scheduler.choices import HOLDING, JobStatus
from scheduler.estimates.start_estimates import Estimate, estimates
from scheduler.models import Job, Worker
from scheduler.policy.decisions import PendingReason, Waits
from scheduler.policy.forecast import Start
from scheduler.queries.maintenance import maintenance_of
from scheduler.queries.queue import QueuePlace, places_of
from scheduler.queries.workers import current_workers


def read_updates(revisions: Mapping[int, int]) -> list[pb.JobUpdate]:
    """Return updates of jobs, in at most five queries.

    `revisions` has the revision of each job that its stream knows; a job with the same revision is left out, unless it
    waits: its place and pending reason change without a new revision.
    """
    jobs = [
        job
        for job in Job.objects.filter(pk__in=revisions)
        if job.revision != revisions[job.pk] or job.status == "WAITING"
    ]
    workers: dict[int, list[Worker]] = {}
    for worker in current_workers(job.pk for job in jobs if job.status in HOLDING):
        workers.setdefault(worker.job_id, []).append(worker)
    windows = maintenance_of(job for job in jobs if job.status in HOLDING)
    waiting = [job for job in jobs if job.status == JobStatus.WAITING]
    places, starts = places_of(waiting), estimates({job.group_id for job in waiting})
    updates = []
    for job in jobs:
        update = _update(job, workers.get(job.pk, []), places.get(job.pk, QueuePlace()), starts.get(job.pk))
        if job.pk in windows:
            update.maintenance_from_ms = to_ms(windows[job.pk])
        updates.append(update)
    return updates


def _update(job: Job, workers: Iterable[Worker], place: QueuePlace, start: Estimate | None) -> pb.JobUpdate:
    update = pb.JobUpdate(job_id=job.pk, revision=job.revision, attempt=job.attempt)
    if job.status == JobStatus.WAITING:
        update.waiting.CopyFrom(_waiting(job, place, start))
    elif job.status == JobStatus.SUBMITTED:
        update.submitted.hosts.extend(
            pb.HostDevices(host=worker.backend.name, device_indexes=worker.devices) for worker in workers
        )
        update.submitted.SetInParent()
    elif job.status == JobStatus.RUNNING:
        update.running.workers.extend(
            pb.WorkerAddress(host=worker.backend.name, address=worker.address, device_indexes=worker.devices)
            for worker in workers
        )
        if job.preempt_at:
            update.running.preempted_at_ms = to_ms(job.preempt_at)
        update.running.SetInParent()
    else:
        update.ended.CopyFrom(pb.Ended(status=job.status, reason=job.cause, detail=job.detail))
    return update


def _waiting(job: Job, place: QueuePlace, start: Estimate | None) -> pb.Waiting:
    return pb.Waiting(
        place=place.number,
        reason=job.pending_reason,
        needed=job.pending_needed or job.num_devices,
        available=job.pending_available,
        blocker_job_id=place.head if job.pending_reason == PendingReason.BLOCKED_BY_HEAD else 0,
        estimated_start_ms=None if start is None else to_ms(start.at),
    )


def waiting_at(place: int, waits: Waits, start: Start | None) -> pb.Waiting:
    """Return the place and pending reason of a job of a dry run."""
    return pb.Waiting(
        place=place,
        reason=waits.reason,
        needed=waits.needed,
        available=waits.available,
        blocker_job_id=waits.blocker or 0,
        estimated_start_ms=None if start is None else start.at_ms,
    )
