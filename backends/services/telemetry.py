"""The latest values that agents report: in bulk, because it is the most frequent write of all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction

from backends.models import Agent, Device
from moreh_cloud.lib.clock import db_now

VALUES = ("used_memory", "temperature", "memory_temperature", "utilization", "memory_utilization", "power")
COLUMNS = f"{', '.join(VALUES)}, at"
ON_CONFLICT = "ON CONFLICT (device_id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in (*VALUES, "at")
)

# PostgreSQL: two statements for all agents. A stream that no longer speaks for its node, and a message that is not
# newer than the last, match nothing.
UPDATE_AGENTS = """
    UPDATE backends_agent AS agent
    SET sequence = new.sequence, last_seen = %s, cpu = new.cpu,
        used_memory = new.used_memory, total_memory = new.total_memory
    FROM unnest(%s::bigint[], %s::uuid[], %s::bigint[], %s::float8[], %s::bigint[], %s::bigint[])
         AS new (backend_id, session, sequence, cpu, used_memory, total_memory)
    WHERE agent.backend_id = new.backend_id AND agent.session = new.session AND agent.sequence < new.sequence
    RETURNING agent.backend_id
"""
UPSERT_TELEMETRY = f"""
    INSERT INTO backends_telemetry (device_id, {COLUMNS})
    SELECT device.id, {", ".join(f"new.{name}" for name in VALUES)}, %s
    FROM unnest(%s::bigint[], %s::int[], %s::int[],
                %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[])
         AS new (backend_id, index, {", ".join(VALUES)})
    JOIN backends_device AS device ON device.backend_id = new.backend_id AND device.index = new.index
    ORDER BY device.id
    {ON_CONFLICT}
"""  # noqa: S608 - only our own column names

# SQLite: a statement costs no round trip, so one for each row is the fastest.
UPDATE_AGENT = """
    UPDATE backends_agent SET sequence = %s, last_seen = %s, cpu = %s, used_memory = %s, total_memory = %s
    WHERE backend_id = %s
"""
UPSERT_ONE = f"""
    INSERT INTO backends_telemetry (device_id, {COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) {ON_CONFLICT}
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Reading:
    """The latest report of one agent; `devices` holds (index, values in the order of VALUES)."""

    backend_id: int
    session: UUID
    sequence: int
    cpu: float
    used_memory: int
    total_memory: int
    devices: tuple[tuple[int, tuple[float, ...]], ...]


@transaction.atomic
def take_readings(readings: Iterable[Reading]) -> None:
    """Store the latest values of many agents at once.

    Older sequences, and streams that no longer speak for their node, change nothing.
    """
    latest = {reading.backend_id: reading for reading in readings}
    if connection.vendor == "postgresql":
        _take_with_arrays(latest)
    else:
        _take_one_by_one(latest)


def _take_with_arrays(latest: dict[int, Reading]) -> None:
    now = db_now()
    agents = [
        (reading.backend_id, reading.session, reading.sequence, reading.cpu, reading.used_memory, reading.total_memory)
        for reading in latest.values()
    ]
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_AGENTS, [now, *_columns(agents, 6)])
        fresh = [backend_id for (backend_id,) in cursor.fetchall()]
        devices = [(pk, index, *values) for pk in fresh for index, values in dict(latest[pk].devices).items()]
        cursor.execute(UPSERT_TELEMETRY, [now, *_columns(devices, 8)])


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """Turn rows into one array for each column; unnest turns them back."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _take_one_by_one(latest: dict[int, Reading]) -> None:
    agents = Agent.objects.filter(pk__in=latest).values_list("pk", "session", "sequence")
    fresh = [latest[pk] for pk, session, sequence in agents if _is_news(latest[pk], session, sequence)]
    now = connection.ops.adapt_datetimefield_value(db_now())
    devices = Device.objects.filter(backend__in=[reading.backend_id for reading in fresh])
    ids = {(backend_id, index): pk for pk, backend_id, index in devices.values_list("pk", "backend_id", "index")}
    rows = [
        (ids[reading.backend_id, index], *values, now)
        for reading in fresh
        for index, values in dict(reading.devices).items()
        if (reading.backend_id, index) in ids
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            UPDATE_AGENT, [(r.sequence, now, r.cpu, r.used_memory, r.total_memory, r.backend_id) for r in fresh]
        )
        cursor.executemany(UPSERT_ONE, rows)


def _is_news(reading: Reading, session: UUID | None, sequence: int) -> bool:
    return reading.session == session and reading.sequence > sequence
