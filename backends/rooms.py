"""Which devices of each node are free: kept by triggers on PostgreSQL, added up from the devices elsewhere."""

from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import Case, Count, F, Func, IntegerField, Q, Sum, Value, When

from backends.choices import BackendStatus, DeviceStatus
from backends.models import Device
from backends.queries import heard_from

BIT = Func(F("index"), template="(1 << %(expressions)s)", output_field=IntegerField())
KEPT = """
    SELECT room.backend_id, room.idle, room.size, coalesce(cleaned.coming, 0),
        backend.status = 'ACTIVE' AND agent.last_seen IS NOT NULL AND agent.last_seen >= %(heard_from)s
    FROM backends_room AS room JOIN backends_backend AS backend ON backend.id = room.backend_id
    LEFT JOIN backends_agent AS agent ON agent.backend_id = backend.id
    LEFT JOIN (
        SELECT backend_id, bit_or(1::bigint << index) AS coming FROM backends_device
        WHERE status = 'CLEANING' AND drain_to = '' GROUP BY backend_id
    ) AS cleaned ON cleaned.backend_id = backend.id
    WHERE backend.group_id = %(group)s AND backend.deleted_at IS NULL
    ORDER BY room.backend_id
"""
# Each number of free devices and each size is looked up in the index: 0.5 ms at 10,000 nodes. With equality instead of
# rows that are compared, or joined, PostgreSQL follows the primary key and reads all nodes for each: 300 ms; with the
# group in the rows that are compared it finds the group by the index, and all else by reading: 35 ms.
FITTING = """
    SELECT room.*
    FROM generate_series(1, 32) AS wanted (free) CROSS JOIN generate_series(wanted.free, 32) AS whole (size)
    CROSS JOIN LATERAL (
        SELECT room.backend_id, room.idle, room.size, 0, true FROM backends_room AS room
        WHERE room.free > 0 AND room.group_id = %(group)s AND (room.free, room.size) >= (wanted.free, whole.size)
            AND (room.free, room.size) <= (wanted.free, whole.size) AND EXISTS (
            SELECT FROM backends_backend AS backend JOIN backends_agent AS agent ON agent.backend_id = backend.id
            WHERE backend.id = room.backend_id AND backend.deleted_at IS NULL
                AND backend.status = 'ACTIVE' AND agent.last_seen >= %(heard_from)s
            OFFSET 0
        )
        ORDER BY room.free, room.size, room.backend_id LIMIT %(most)s
    ) AS room
"""
WRONG = """
    SELECT backend_id FROM backends_room AS room FULL JOIN (
        SELECT backend_id, group_id, bit_or(backends_idle(device)) AS idle, count(*) AS size
        FROM backends_device AS device JOIN backends_backend AS backend ON backend.id = backend_id GROUP BY 1, 2
    ) AS found USING (backend_id)
    WHERE coalesce(room.idle, 0) <> coalesce(found.idle, 0) OR coalesce(room.size, 0) <> coalesce(found.size, 0)
        OR room.group_id <> found.group_id
"""
LOCK = "SELECT group_id, idle, size FROM backends_room WHERE backend_id = %s FOR UPDATE"
RECOUNT = """
    INSERT INTO backends_room AS room (backend_id, group_id, idle, size)
    SELECT backend.id, backend.group_id, coalesce(bit_or(backends_idle(device)), 0), count(device.id)
    FROM backends_backend AS backend LEFT JOIN backends_device AS device ON device.backend_id = backend.id
    WHERE backend.id = %s GROUP BY backend.id
    ON CONFLICT (backend_id) DO UPDATE SET group_id = excluded.group_id, idle = excluded.idle, size = excluded.size
    RETURNING group_id, idle, size
"""


class Room(NamedTuple):
    """A node: masks of its free devices and of those being cleaned, how many it has, and whether it may be used."""

    backend_id: int
    idle: int
    size: int
    coming: int
    present: bool | int


def rooms_are_kept() -> bool:
    """Tell whether triggers of the database keep them."""
    return connection.vendor == "postgresql"


def read_rooms(group_id: int, now: datetime) -> list[Room]:
    """Give all nodes of a group, by id; one query."""
    if rooms_are_kept():
        return _ask(KEPT, group_id, now)
    here = Q(backend__status=BackendStatus.ACTIVE, backend__agent__last_seen__gte=heard_from(now))
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
    return [Room(*row) for row in rows.values_list("backend_id", "idle", "size", "coming", "present")]


def fitting_rooms(group_id: int, now: datetime, most: int) -> list[Room] | None:
    """Give of each number of free devices, and each size, the first nodes: enough to place `most` devices.

    None where nobody keeps the rooms; the cost does not grow with the nodes.
    """
    return _ask(FITTING, group_id, now, most=most) if rooms_are_kept() else None


def wrong_rooms() -> list[int]:
    """Give the nodes whose kept room is not what their devices say; one query, none where nobody keeps rooms."""
    if not rooms_are_kept():
        return []
    with connection.cursor() as cursor:
        cursor.execute(WRONG)
        return [pk for (pk,) in cursor.fetchall()]


def recount_room(backend_id: int) -> tuple[tuple[int, int, int] | None, tuple[int, int, int]]:
    """Keep what the devices of a node say; give group, mask and size as they were kept, if they were, and as they are.

    Changes in flight wait for the lock, and then change what is counted here.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [backend_id])
        kept = cursor.fetchone()
        cursor.execute(RECOUNT, [backend_id])
        return kept, cursor.fetchone()


def _ask(sql: str, group_id: int, now: datetime, **values: int) -> list[Room]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"group": group_id, "heard_from": heard_from(now), **values})
        return [Room(*row) for row in cursor.fetchall()]


def _mask_of(status: DeviceStatus) -> Sum:
    draining = {} if status == DeviceStatus.IDLE else {"drain_to": ""}
    bit = Case(When(status=status, then=BIT, **draining), default=Value(0), output_field=IntegerField())
    return Sum(bit)
