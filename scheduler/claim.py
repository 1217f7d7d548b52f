"""The short way to begin a batch on PostgreSQL: one statement that finds jobs and devices as the plan saw them.

The same rows as `grants` writes from Python, at a third of its cost; what has changed meanwhile is left to that.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from django.db import OperationalError, connection, transaction

from moreh_cloud.events.actor import SYSTEM
from moreh_cloud.lib.bell import tell_on_commit
from scheduler.lease import Lease
from scheduler.limits import read_limits
from scheduler.policy.reasons import Placed
from scheduler.policy.room import Room
from scheduler.policy.snapshot import Request

log = structlog.get_logger(__name__)
# The clock is read when all devices are locked, and no job is touched before: both ask `clock`, which asks `taken`.
# Between which nodes to look is said for PostgreSQL, which would read all of 80,000 devices to find 2,000.
BEGIN_JOBS = """
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
    ), granted AS (
        SELECT job.*, device_id, backend_id, index FROM taken JOIN job ON job.id = taken.job
    ), allocated AS (
        INSERT INTO scheduler_allocation (job_id, sda_id, token_id, device_id, started_at)
        SELECT id, sda_id, token_id, device_id, now FROM granted
    ), worker AS (
        INSERT INTO scheduler_worker (job_id, attempt, backend_id, devices, state, address, error)
        SELECT id, attempt, backend_id, jsonb_agg(index ORDER BY index), 'STARTING', '', ''
        FROM granted GROUP BY id, attempt, backend_id
        RETURNING id, backend_id, devices
    ), ordered AS (
        INSERT INTO backends_order (id, backend_id, verb, ref, devices, state, error, created_at)
        SELECT gen_random_uuid(), backend_id, 'START', worker.id, devices, 'PENDING', '', now FROM worker, clock
    ), told AS (
        INSERT INTO events_event
            (action, subject, token_id, request, response, actor, referer_protocol, referer_ip, event_time)
        SELECT 'SUBMIT_JOB', 'job/' || id, token_id, jsonb_build_object('devices', num_devices), '{}',
            %(name)s, %(protocol)s, %(address)s, now
        FROM job
    )
    SELECT (SELECT locked FROM clock), (SELECT count(*) FROM job)
"""
BY = {"name": SYSTEM.name, "protocol": SYSTEM.protocol, "address": SYSTEM.ip_address}
PATIENCE = "SET LOCAL lock_timeout = '2s'"
LARGE = 400  # jobs of a batch that is worth a second transaction
HERE = 0.6  # of its jobs are written in the first one, which waits for the commit of the second


class Changed(Exception):
    """Something is not as the plan saw it."""


def begin_as_planned(lease: Lease, batch: Sequence[Placed], asked: Mapping[int, Request]) -> Sequence[Placed]:
    """Begin the jobs of a batch, in the caller's transaction and, of a large one, half of them in one beside it.

    Gives those to look at one by one, because something is not as the plan saw it. Devices before jobs: nobody who has
    locked a waiting job asks for free devices but the ticks of its own group.
    """
    if connection.vendor != "postgresql" or not _allowed([asked[placed.request_id] for placed in batch]):
        return batch
    here, beside, between = _halves(batch) if len(batch) >= LARGE else (batch, (), ())
    with ThreadPoolExecutor(1) as other:
        there = other.submit(_begin_beside, lease, beside) if beside else None
        changed = [*_begin_here(here)]
        changed += there.result() if there else ()
    return [*changed, *_begin_here(between)]


def _halves(batch: Sequence[Placed]) -> tuple[Sequence[Placed], Sequence[Placed], Sequence[Placed]]:
    """Give jobs on lower and on higher nodes, so that neither half waits for the other, and those on both."""
    middle = sorted(placed.devices[0][0] for placed in batch)[int(len(batch) * HERE)]
    halves: tuple[list[Placed], list[Placed], list[Placed]] = ([], [], [])
    for placed in batch:
        nodes = [node for node, _mask in placed.devices]
        low, high = min(nodes) >= middle, max(nodes) >= middle
        halves[high if low == high else 2].append(placed)
    return halves


def _begin_here(batch: Sequence[Placed]) -> Sequence[Placed]:
    try:
        with transaction.atomic():
            begin(batch)
    except Changed:
        return batch
    return ()


def _begin_beside(lease: Lease, batch: Sequence[Placed]) -> Sequence[Placed]:
    """Begin jobs in a transaction of this thread's own.

    Its lock time-out breaks a circle that the database cannot see, because the caller's transaction waits out here.
    """
    try:
        with transaction.atomic():
            lease.share()
            with connection.cursor() as cursor:
                cursor.execute(PATIENCE)
            begin(batch)
    except Changed:
        return batch
    except OperationalError as error:
        log.warning("batch_beside_failed", group=lease.group_id, jobs=len(batch), error=type(error.__cause__).__name__)
        return batch
    finally:
        connection.close()
    return ()


def _allowed(requests: Sequence[Request]) -> bool:
    """Tell whether no limit stands in the way of any, now that nobody else can take from it."""
    limits = read_limits({request.token_id for request in requests}, lock=True)
    concerned = {*limits.tokens, *limits.groups_of, *limits.stopped}
    room = Room(limits, {})
    for request in requests:
        if request.token_id in concerned:
            if room.too_much(request):
                return False
            room.take(request)
    return True


def begin(batch: Sequence[Placed]) -> None:
    """Begin all jobs of a batch; limits are the caller's. Raises Changed, and then the transaction must go back."""
    if not batch:
        return
    places = [(placed.request_id, *place) for placed in batch for place in placed.places()]
    jobs, nodes, indexes = map(list, zip(*places, strict=True))
    ids = [placed.request_id for placed in batch]
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"ids": ids, "jobs": jobs, "nodes": nodes, "indexes": indexes}
        cursor.execute(BEGIN_JOBS, {**values, "lowest": min(nodes), "highest": max(nodes), **BY})
        if cursor.fetchone() != (len(places), len(batch)):
            raise Changed
    tell_on_commit("job", ids)
    tell_on_commit("backend", set(nodes))
