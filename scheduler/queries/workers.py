"""Workers of jobs on nodes."""

from collections.abc import Iterable
from typing import Any

from django.db.models import (
    F,
    QuerySet,
)

from scheduler.choices import WorkerState
from scheduler.models import Job, Worker


def workers_of(job: Job) -> QuerySet[Worker]:
    """Return the workers of a job's current attempt."""
    return Worker.objects.filter(job=job, attempt=job.attempt).select_related("backend").order_by("backend_id")


def current_workers(job_ids: Iterable[int]) -> QuerySet[Worker]:
    """Return the workers of some jobs' current attempts, with their nodes."""
    mine = Worker.objects.filter(job__in=list(job_ids), attempt=F("job__attempt"))
    return mine.select_related("backend").order_by("job_id", "backend_id")


def workers_on(backend_id: int) -> QuerySet[Worker]:
    """Return the workers that are on a node, with their jobs and customers."""
    here = Worker.objects.filter(backend=backend_id).exclude(state=WorkerState.GONE)
    return here.select_related("job__token").order_by("job_id")


def workers_with_output(job: Job, attempt: int | None = None) -> list[Worker]:
    """Return the workers of an attempt of a job, or of its latest one that had workers, in the order of their nodes."""
    found = Worker.objects.filter(job=job).select_related("backend", "job")
    workers = list(found.order_by("attempt", "backend__name", "pk"))
    wanted = workers[-1].attempt if workers and attempt is None else attempt
    return [worker for worker in workers if worker.attempt == wanted]


def start_orders(worker_ids: Iterable[int]) -> dict[int, Worker]:
    """Return the workers of START orders by id, with `token_id` and `env` of their jobs' tokens, and the preflight.

    `env` is still encrypted, because one that no key decrypts must not stop the orders of others.
    """
    workers: QuerySet[Any] = Worker.objects.annotate(
        env=F("job__token__env"),
        token_id=F("job__token_id"),
        preflight=F("job__group__preflight"),
        check_command=F("job__group__check_command"),
    )
    return workers.in_bulk(list(worker_ids))
