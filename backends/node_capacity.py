"""Node capacity, the free devices of each node: stored by triggers on PostgreSQL, counted on other databases."""

from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import Case, Count, F, Func, IntegerField, Q, Sum, Value, When

from backends.binding import is_being_switched
from backends.choices import DISRUPTIVE, BackendStatus, DeviceStatus
from backends.models import Device
from backends.queries import silence_cutoff
from core.postgresql import is_postgresql

BIT = Func(F("index"), template="(1 << %(expressions)s)", output_field=IntegerField())
READ = """
    SELECT capacity.backend_id, capacity.idle, capacity.size, coalesce(cleaned.coming, 0),
        backend.status = 'ACTIVE' AND agent.last_seen IS NOT NULL AND agent.last_seen >= %(silence_cutoff)s
            AND NOT EXISTS (
                SELECT FROM backends_poweraction AS action WHERE action.backend_id = backend.id
                    AND action.command = ANY(%(disruptive)s) AND action.state IN ('QUEUED', 'RUNNING', 'SENT')
            )
    FROM backends_room AS capacity JOIN backends_backend AS backend ON backend.id = capacity.backend_id
    LEFT JOIN backends_agent AS agent ON agent.backend_id = backend.id
    LEFT JOIN (
        SELECT backend_id, bit_or(1::bigint << index) AS coming FROM backends_device
        WHERE status = 'CLEANING' AND drain_to = '' GROUP BY backend_id
    ) AS cleaned ON cleaned.backend_id = backend.id
    WHERE backend.group_id = %(group)s AND backend.deleted_at IS NULL
    ORDER BY capacity.backend_id
"""
# Nodes with maintenance are left out: a job whose nodes all have none is placed the same way by a plan of all nodes.
# Each number of free devices and each size is looked up in the index: 0.5 ms at 10,000 nodes. With equality instead of
# rows that are compared, or joined, PostgreSQL follows the primary key and reads all nodes for each: 300 ms; with the
# group in the rows that are compared it finds the group by the index, and all else by reading: 35 ms.
FITTING = """
    SELECT capacity.*
    FROM generate_series(1, 32) AS wanted (free) CROSS JOIN generate_series(wanted.free, 32) AS whole (size)
    CROSS JOIN LATERAL (
        SELECT capacity.backend_id, capacity.idle, capacity.size, 0, true FROM backends_room AS capacity
        WHERE capacity.free > 0 AND capacity.group_id = %(group)s
            AND (capacity.free, capacity.size) >= (wanted.free, whole.size)
            AND (capacity.free, capacity.size) <= (wanted.free, whole.size) AND EXISTS (
            SELECT FROM backends_backend AS backend JOIN backends_agent AS agent ON agent.backend_id = backend.id
            WHERE backend.id = capacity.backend_id AND backend.deleted_at IS NULL
                AND backend.status = 'ACTIVE' AND agent.last_seen >= %(silence_cutoff)s
                AND NOT EXISTS (
                    SELECT FROM backends_poweraction AS action WHERE action.backend_id = backend.id
                        AND action.command = ANY(%(disruptive)s) AND action.state IN ('QUEUED', 'RUNNING', 'SENT')
                )
                AND NOT EXISTS (
                    SELECT FROM backends_maintenancenode AS maintenance
                    WHERE maintenance.backend_id = backend.id AND maintenance.left_at IS NULL
                )
            OFFSET 0
        )
        ORDER BY capacity.free, capacity.size, capacity.backend_id LIMIT %(most)s
    ) AS capacity
"""
WRONG = """
    SELECT backend_id FROM backends_room AS capacity FULL JOIN (
        SELECT backend_id, group_id, bit_or(backends_idle(device)) AS idle, count(*) AS size
        FROM backends_device AS device JOIN backends_backend AS backend ON backend.id = backend_id GROUP BY 1, 2
    ) AS found USING (backend_id)
    WHERE coalesce(capacity.idle, 0) <> coalesce(found.idle, 0) OR coalesce(capacity.size, 0) <> coalesce(found.size, 0)
        OR capacity.group_id <> found.group_id
"""
LOCK = "SELECT group_id, idle, size FROM backends_room WHERE backend_id = %s FOR UPDATE"
RECOUNT = """
    INSERT INTO backends_room AS capacity (backend_id, group_id, idle, size)
    SELECT backend.id, backend.group_id, coalesce(bit_or(backends_idle(device)), 0), count(device.id)
    FROM backends_backend AS backend LEFT JOIN backends_device AS device ON device.backend_id = backend.id
    WHERE backend.id = %s GROUP BY backend.id
    ON CONFLICT (backend_id) DO UPDATE SET group_id = excluded.group_id, idle = excluded.idle, size = excluded.size
    RETURNING group_id, idle, size
"""


class NodeCapacity(NamedTuple):
    """The capacity of a node.

    `idle` and `coming` are bit masks of the free devices and of those being cleaned, `size` is the number of all
    devices, `present` whether jobs may be bound to the node.
    """

    backend_id: int
    idle: int
    size: int
    coming: int
    present: bool | int


def read_node_capacities(group_id: int, now: datetime) -> list[NodeCapacity]:
    """Return the capacities of all nodes of a group, by id; one query."""
    if is_postgresql():
        return _query(READ, group_id, now)
    here = Q(
        ~is_being_switched("backend"),
        backend__status=BackendStatus.ACTIVE,
        backend__agent__last_seen__gte=silence_cutoff(now),
    )
    rows = (
        Device.objects.filter(backend__group=group_id, backend__deleted_at__isnull=True)
        .values("backend_id")
        .annotate(
            size=Count("pk"),
            idle=_mask_of(DeviceStatus.IDLE),
            coming=_mask_of(DeviceStatus.CLEANING),
            present=Count("pk", filter=here),
        )
        .order_by("backend_id")
    )
    return [NodeCapacity(*row) for row in rows.values_list("backend_id", "idle", "size", "coming", "present")]


def fitting_node_capacities(group_id: int, now: datetime, most: int) -> list[NodeCapacity] | None:
    """Return for each number of free devices and each size the first `most` nodes, at a cost independent of all others.

    Nodes with a maintenance window are not among them. None where the database does not store capacities.
    """
    return _query(FITTING, group_id, now, most=most) if is_postgresql() else None


def wrong_node_capacities() -> list[int]:
    """Return the ids of nodes whose stored capacity differs from their devices; none where it is not stored."""
    if not is_postgresql():
        return []
    with connection.cursor() as cursor:
        cursor.execute(WRONG)
        return [pk for (pk,) in cursor.fetchall()]


def recount_node_capacity(backend_id: int) -> tuple[tuple[int, int, int] | None, tuple[int, int, int]]:
    """Count and store the capacity of a node; return group, mask and size as stored before, if any, and as counted.

    Concurrent changes of devices wait for the lock and then update the counted values.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [backend_id])
        stored = cursor.fetchone()
        cursor.execute(RECOUNT, [backend_id])
        return stored, cursor.fetchone()


def _query(sql: str, group_id: int, now: datetime, **values: int) -> list[NodeCapacity]:
    with connection.cursor() as cursor:
        cursor.execute(
            sql, {"group": group_id, "silence_cutoff": silence_cutoff(now), "disruptive": list(DISRUPTIVE), **values}
        )
        return [NodeCapacity(*row) for row in cursor.fetchall()]


def _mask_of(status: DeviceStatus) -> Sum:
    draining = {} if status == DeviceStatus.IDLE else {"drain_to": ""}
    bit = Case(When(status=status, then=BIT, **draining), default=Value(0), output_field=IntegerField())
    return Sum(bit)
