"""Bind a batch of jobs on PostgreSQL in one statement, if jobs and devices are as in the snapshot.

It writes the same rows as `bind` at a third of the cost; jobs that have changed are left to `bind`.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import structlog
from django.db import IntegrityError, OperationalError, connection, transaction

from backends.binding import usable_nodes
from core.clock import to_ms
from core.postgresql import is_postgresql
from core.request_ids import current_request
from core.wakeups import publish_on_commit
from events.actor import SYSTEM
from scheduler.cycle.lease import QueueLease
from scheduler.cycle.limits import read_limits
from scheduler.cycle.maintenance import kept_out
from scheduler.cycle.waits import count_waits_on_commit
from scheduler.policy.decisions import Placed
from scheduler.policy.quota import QuotaLedger
from scheduler.policy.snapshot import QueuedRequest

log = structlog.get_logger(__name__)
# `clock` reads from `taken` and `job` reads from `clock`, so the time is read when all devices are locked, and before
# any job is written. Without the range of nodes PostgreSQL would read all of 80,000 devices to find 2,000.
BIND_JOBS = """
    WITH taken AS (
        UPDATE backends_device AS device
        SET status = 'PREPARING', why = '', cleaner = NULL, since = clock_timestamp()
        FROM unnest(%(jobs)s::bigint[], %(nodes)s::bigint[], %(indexes)s::int[]) AS wanted (job, node, index)
        WHERE device.backend_id = wanted.node AND device.index = wanted.index AND device.status = 'IDLE'
            AND device.backend_id BETWEEN %(lowest)s AND %(highest)s
        RETURNING wanted.job, device.id AS device_id, device.backend_id, device.index
    ), clock AS (
        SELECT count(*) AS locked, date_trunc('milliseconds', clock_timestamp()) AS now FROM taken
    ), job AS (
        UPDATE scheduler_job
        SET status = 'SUBMITTED', submitted_at = clock.now, revision = revision + 1, pending_reason = ''
        FROM clock WHERE id = ANY(%(ids)s::bigint[]) AND status = 'WAITING'
        RETURNING id, sda_id, token_id, attempt, num_devices, clock.now
    ), bound AS (
        SELECT job.*, device_id, backend_id, index FROM taken JOIN job ON job.id = taken.job
    ), allocated AS (
        INSERT INTO scheduler_allocation (job_id, sda_id, token_id, device_id, started_at)
        SELECT id, sda_id, token_id, device_id, now FROM bound
    ), worker AS (
        INSERT INTO scheduler_worker (job_id, attempt, backend_id, devices, state, address, error)
        SELECT id, attempt, backend_id, jsonb_agg(index ORDER BY index), 'STARTING', '', ''
        FROM bound GROUP BY id, attempt, backend_id
        RETURNING id, backend_id, devices
    ), ordered AS (
        INSERT INTO backends_order (id, backend_id, verb, ref, devices, state, error, created_at, request)
        SELECT gen_random_uuid(), backend_id, 'START', worker.id, devices, 'PENDING', '', now, %(request)s
        FROM worker, clock
    ), recorded AS (
        INSERT INTO events_event
            (action, subject, token_id, request, response, actor, referer_protocol, referer_ip, event_time)
        SELECT 'SUBMIT_JOB', 'job/' || id, token_id, jsonb_build_object('devices', num_devices), '{}',
            %(name)s, %(protocol)s, %(address)s, now
        FROM job
    )
    SELECT (SELECT locked FROM clock), (SELECT count(*) FROM job), (SELECT now FROM clock)
"""
BY = {"name": SYSTEM.name, "protocol": SYSTEM.protocol, "address": SYSTEM.ip_address}
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '2s'"
LARGE = 400  # jobs; from this size on a batch is written in two transactions at the same time
FIRST_FRACTION = 0.6  # of its jobs go into the first transaction, which waits for the commit of the second


class PlanOutdated(Exception):
    """Rows differ from the snapshot of the plan."""


def bind_batch(lease: QueueLease, batch: Sequence[Placed], requests: Mapping[int, QueuedRequest]) -> Sequence[Placed]:
    """Bind the jobs of a batch in the caller's transaction, and some of a large batch in a second one.

    Return the decisions to bind one by one, because rows differ from the snapshot. Devices are locked before jobs: that
    is safe, because only cycles of the same group lock both waiting jobs and free devices.
    """
    if not is_postgresql() or not _within_quota([requests[placed.request_id] for placed in batch]):
        return batch
    first, second, both = _split(batch) if len(batch) >= LARGE else (batch, (), ())
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(copy_context().run, _bind_second, lease, second, requests) if second else None
        changed = [*_bind_first(lease.group_id, first, requests)]
        changed += running.result() if running else ()
    return [*changed, *_bind_first(lease.group_id, both, requests)]


def _split(batch: Sequence[Placed]) -> tuple[Sequence[Placed], Sequence[Placed], Sequence[Placed]]:
    """Return the jobs on lower nodes, those on higher nodes, and those on both.

    The first two lock different devices, so their transactions do not wait for each other.
    """
    middle = sorted(placed.devices[0][0] for placed in batch)[int(len(batch) * FIRST_FRACTION)]
    batches: tuple[list[Placed], list[Placed], list[Placed]] = ([], [], [])
    for placed in batch:
        nodes = [node for node, _mask in placed.devices]
        low, high = min(nodes) >= middle, max(nodes) >= middle
        batches[high if low == high else 2].append(placed)
    return batches


def _bind_first(group_id: int, batch: Sequence[Placed], requests: Mapping[int, QueuedRequest]) -> Sequence[Placed]:
    try:
        with transaction.atomic():
            bind_as_planned(group_id, batch, requests)
    except (PlanOutdated, IntegrityError):
        return batch
    return ()


def _bind_second(lease: QueueLease, batch: Sequence[Placed], requests: Mapping[int, QueuedRequest]) -> Sequence[Placed]:
    """Bind jobs in a transaction of this thread; return those to bind one by one.

    The lock timeout ends a deadlock that the database cannot detect, because the caller's transaction waits in Python.
    """
    try:
        with transaction.atomic():
            lease.share_lock()
            with connection.cursor() as cursor:
                cursor.execute(LOCK_TIMEOUT)
            bind_as_planned(lease.group_id, batch, requests)
    except (PlanOutdated, IntegrityError):
        return batch
    except OperationalError as error:
        log.warning("batch_beside_failed", group=lease.group_id, jobs=len(batch), error=type(error.__cause__).__name__)
        return batch
    finally:
        connection.close()
    return ()


def _within_quota(requests: Sequence[QueuedRequest]) -> bool:
    """Whether all requests together stay within all limits. The limits are locked, so nobody else uses them."""
    limits = read_limits({request.token_id for request in requests}, lock=True)
    concerned = {*limits.tokens, *limits.groups_of, *limits.stopped}
    quota = QuotaLedger(limits, {})
    for request in requests:
        if request.token_id in concerned:
            if quota.violation(request):
                return False
            quota.take(request)
    return True


def bind_as_planned(group_id: int, batch: Sequence[Placed], requests: Mapping[int, QueuedRequest]) -> None:
    """Bind all jobs of a batch, whose `requests` are among these; the caller has checked the limits.

    Raises PlanOutdated if any row differs from the snapshot; then the transaction must be rolled back.
    """
    if not batch:
        return
    planned = {node for placed in batch for node, _mask in placed.devices}
    usable = usable_nodes(planned, group_id=group_id)
    limits_ms = {placed.request_id: requests[placed.request_id].limit_ms for placed in batch}
    if usable.keys() != planned or kept_out(batch, usable, limits_ms):
        raise PlanOutdated
    places = [(placed.request_id, *place) for placed in batch for place in placed.places()]
    jobs, nodes, indexes = map(list, zip(*places, strict=True))
    ids = [placed.request_id for placed in batch]
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"ids": ids, "jobs": jobs, "nodes": nodes, "indexes": indexes}
        bounds = {"lowest": min(nodes), "highest": max(nodes)}
        cursor.execute(BIND_JOBS, {**values, **bounds, **BY, "request": current_request()})
        devices_bound, jobs_bound, now = cursor.fetchone()
        if (devices_bound, jobs_bound) != (len(places), len(batch)):
            raise PlanOutdated
    count_waits_on_commit(group_id, (to_ms(now) - requests[pk].requested_ms for pk in ids))
    publish_on_commit("job", ids)
    publish_on_commit("backend", set(nodes))
