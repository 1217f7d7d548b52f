"""Rows of jobs as their clients see them."""

from collections.abc import Iterable, Mapping

from moreh_cloud.lib.clock import to_ms
from protocol.v1 import jobs_pb2 as pb
from scheduler.choices import HOLDING, JobStatus
from scheduler.models import Job, Worker
from scheduler.policy.reasons import Reason
from scheduler.queries import Place, current_workers, places_of


def read_updates(seen: Mapping[int, int]) -> list[pb.JobUpdate]:
    """Say how jobs stand, in at most four queries.

    `seen` maps each job to the revision that its stream knows: a job that holds devices and has not moved on is left
    out. A waiting job comes always, for its place and its reason change without a new revision.
    """
    jobs = [job for job in Job.objects.filter(pk__in=seen) if job.revision != seen[job.pk] or job.status == "WAITING"]
    workers: dict[int, list[Worker]] = {}
    for worker in current_workers(job.pk for job in jobs if job.status in HOLDING):
        workers.setdefault(worker.job_id, []).append(worker)
    places = places_of([job for job in jobs if job.status == JobStatus.WAITING])
    return [_update(job, workers.get(job.pk, []), places.get(job.pk, Place())) for job in jobs]


def _update(job: Job, workers: Iterable[Worker], place: Place) -> pb.JobUpdate:
    update = pb.JobUpdate(job_id=job.pk, revision=job.revision, attempt=job.attempt)
    if job.status == JobStatus.WAITING:
        update.waiting.CopyFrom(_waiting(job, place))
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
        if job.leaves_at:
            update.running.preempted_at_ms = to_ms(job.leaves_at)
        update.running.SetInParent()
    else:
        update.ended.CopyFrom(pb.Ended(status=job.status, reason=job.cause, detail=job.detail))
    return update


def _waiting(job: Job, place: Place) -> pb.Waiting:
    return pb.Waiting(
        place=place.number,
        reason=job.pending_reason,
        needed=job.pending_needed or job.num_devices,
        available=job.pending_available,
        blocker_job_id=place.head if job.pending_reason == Reason.BLOCKED_BY_HEAD else 0,
    )
