"""Heartbeats of jobs' clients, which arrive all the time and are stored in bulk."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from core.clock import db_now
from core.postgresql import is_postgresql
from scheduler.choices import LIVE
from scheduler.models import Job

STORE_HEARTBEATS = """
    UPDATE scheduler_job AS job
    SET client_seen_at = %s, used_memory = new.used_memory, utilization = new.utilization,
        pid = coalesce(nullif(new.pid, 0), job.pid)
    FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::float8[], %s::int[])
        AS new (id, value_digest, used_memory, utilization, pid)
        JOIN tokens_token AS token ON token.value_digest = new.value_digest AND token.deleted_at IS NULL
    WHERE job.id = new.id AND job.token_id = token.id AND job.status = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class ClientHeartbeat:
    """The latest heartbeat of a job's client: MiB and percent, None when not measured; `pid` 0 changes nothing.

    `value_digest` is the digest of the token value that the client presented.
    """

    job_id: int
    value_digest: str
    used_memory: int | None = None
    utilization: float | None = None
    pid: int = 0


Latest = dict[tuple[int, str], ClientHeartbeat]


@transaction.atomic
def store_heartbeats(heartbeats: Sequence[ClientHeartbeat]) -> None:
    """Store the latest heartbeats of many clients in at most two statements.

    Jobs that are over do not change, nor do jobs whose token no longer has the presented value.
    """
    latest = {(heartbeat.job_id, heartbeat.value_digest): heartbeat for heartbeat in heartbeats}
    if is_postgresql():
        _store_with_arrays(latest)
    else:
        _store_portably(latest)


def _store_with_arrays(latest: Latest) -> None:
    rows = [(beat.job_id, beat.value_digest, beat.used_memory, beat.utilization, beat.pid) for beat in latest.values()]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], [], []]
    with connection.cursor() as cursor:
        cursor.execute(STORE_HEARTBEATS, [db_now(), *columns, list(LIVE)])


def _store_portably(latest: Latest) -> None:
    now = db_now()
    ids = {job_id for job_id, _digest in latest}
    jobs = Job.objects.filter(pk__in=ids, status__in=LIVE, token__deleted_at__isnull=True).order_by("pk")
    rows = [
        Job(
            pk=pk,
            used_memory=beat.used_memory,
            utilization=beat.utilization,
            pid=beat.pid or pid,
            client_seen_at=now,
        )
        for pk, value_digest, pid in jobs.values_list("pk", "token__value_digest", "pid")
        if (beat := latest.get((pk, value_digest)))
    ]
    Job.objects.bulk_update(rows, ["used_memory", "utilization", "pid", "client_seen_at"], batch_size=200)
