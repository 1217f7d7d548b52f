"""The latest values that agents report. They are stored in bulk, because this is the most frequent write."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from backends.models import Agent, Device
from core.clock import db_now
from core.postgresql import is_postgresql

VALUES = ("used_memory", "temperature", "memory_temperature", "utilization", "memory_utilization", "power")
COLUMNS = f"{', '.join(VALUES)}, at, changed_at"
OLD, NEW = (", ".join(f"{row}.{name}" for name in VALUES) for row in ("backends_telemetry", "excluded"))


def _on_conflict(differ: str) -> str:
    """Return how a row is replaced; it keeps the time of its last change while all values stay the same."""
    values = ", ".join(f"{name} = excluded.{name}" for name in (*VALUES, "at"))
    changed = f"CASE WHEN ({OLD}) {differ} ({NEW}) THEN excluded.at ELSE backends_telemetry.changed_at END"
    return f"ON CONFLICT (device_id) DO UPDATE SET {values}, changed_at = {changed}"


# PostgreSQL: two statements for all agents. A stream that is no longer the session of its node matches no row, nor does
# a message that is not newer than the last.
UPDATE_AGENTS = """
    UPDATE backends_agent AS agent
    SET sequence = new.sequence, last_seen = %s, cpu = new.cpu,
        used_memory = new.used_memory, total_memory = new.total_memory, clock_skew_ms = new.clock_skew_ms
    FROM unnest(%s::bigint[], %s::uuid[], %s::bigint[], %s::float8[], %s::bigint[], %s::bigint[], %s::bigint[])
         AS new (backend_id, session, sequence, cpu, used_memory, total_memory, clock_skew_ms)
    WHERE agent.backend_id = new.backend_id AND agent.session = new.session AND agent.sequence < new.sequence
    RETURNING agent.backend_id
"""
UPSERT_TELEMETRY = f"""
    INSERT INTO backends_telemetry (device_id, {COLUMNS})
    SELECT device.id, {", ".join(f"new.{name}" for name in VALUES)}, new.at, new.at
    FROM (
        SELECT *, %s::timestamptz AS at
        FROM unnest(%s::bigint[], %s::int[], %s::int[],
                    %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[])
             AS new (backend_id, index, {", ".join(VALUES)})
    ) AS new
    JOIN backends_device AS device ON device.backend_id = new.backend_id AND device.index = new.index
    ORDER BY device.id
    {_on_conflict("IS DISTINCT FROM")}
"""  # noqa: S608 - only our own column names

# SQLite: a statement costs no round trip, so one statement for each row is fastest.
UPDATE_AGENT = """
    UPDATE backends_agent
    SET sequence = %s, last_seen = %s, cpu = %s, used_memory = %s, total_memory = %s, clock_skew_ms = %s
    WHERE backend_id = %s
"""
UPSERT_ONE = f"""
    INSERT INTO backends_telemetry (device_id, {COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
    {_on_conflict("IS NOT")}
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class TelemetryReport:
    """The latest report of one agent; `devices` holds (index, values in the order of VALUES); None: not measured."""

    backend_id: int
    session: UUID
    sequence: int
    cpu: float | None
    used_memory: int | None
    total_memory: int | None
    devices: tuple[tuple[int, tuple[float | None, ...]], ...]
    clock_skew_ms: int | None = None


@transaction.atomic
def store_telemetry(reports: Iterable[TelemetryReport]) -> tuple[datetime, list[TelemetryReport]]:
    """Store the latest values of many agents at once; return the time, and the reports that were stored.

    Reports with an older sequence, and of streams that are no longer the session of their node, change nothing.
    """
    latest, now = {report.backend_id: report for report in reports}, db_now()
    return now, _store_with_arrays(latest, now) if is_postgresql() else _store_one_by_one(latest, now)


def _store_with_arrays(latest: dict[int, TelemetryReport], now: datetime) -> list[TelemetryReport]:
    agents = [
        (r.backend_id, r.session, r.sequence, r.cpu, r.used_memory, r.total_memory, r.clock_skew_ms)
        for r in latest.values()
    ]
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_AGENTS, [now, *_columns(agents, 7)])
        fresh = [latest[backend_id] for (backend_id,) in cursor.fetchall()]
        devices = [(one.backend_id, index, *values) for one in fresh for index, values in dict(one.devices).items()]
        cursor.execute(UPSERT_TELEMETRY, [now, *_columns(devices, 8)])
    return fresh


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """Return one array for each column of some rows; `unnest` makes rows of them again."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _store_one_by_one(latest: dict[int, TelemetryReport], at: datetime) -> list[TelemetryReport]:
    agents = Agent.objects.filter(pk__in=latest).values_list("pk", "session", "sequence")
    fresh = [latest[pk] for pk, session, sequence in agents if _is_new(latest[pk], session, sequence)]
    now = connection.ops.adapt_datetimefield_value(at)
    devices = Device.objects.filter(backend__in=[report.backend_id for report in fresh])
    ids = {(backend_id, index): pk for pk, backend_id, index in devices.values_list("pk", "backend_id", "index")}
    rows = [
        (ids[report.backend_id, index], *values, now, now)
        for report in fresh
        for index, values in dict(report.devices).items()
        if (report.backend_id, index) in ids
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            UPDATE_AGENT,
            [(r.sequence, now, r.cpu, r.used_memory, r.total_memory, r.clock_skew_ms, r.backend_id) for r in fresh],
        )
        cursor.executemany(UPSERT_ONE, rows)
    return fresh


def _is_new(report: TelemetryReport, session: UUID | None, sequence: int) -> bool:
    return report.session == session and report.sequence > sequence
