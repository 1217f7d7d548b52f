"""Means of five minutes over 24 hours, in the cache: one string for each node, in which new slots replace old ones.

A string is a byte with the number of devices, then 288 slots. A slot has the number of its five minutes since 1970, how
many reports its means are of, and four numbers of 16 bits for each device. So a node needs the same memory for ever,
and a slot that was not written for a day is known by its number.
"""

import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

import redis
from django.conf import settings

from backends.telemetry_history.shapes import MEASURED, ChosenNode, DeviceHistory, TimeGrid
from core.clock import to_ms

SLOT_S, SLOTS = 300, 288
KEPT_S = SLOT_S * SLOTS
UNITS = {"temperature": 0.01, "utilization": 0.01, "used_memory": 16.0, "power": 0.1}
"""What one step of a stored number is worth: °C, %, MiB, W."""
UNKNOWN = 0xFFFF
OVERHEAD = 160  # bytes that the cache needs for the key, its time to live and their entries
HEAD = struct.Struct("<IH")
AT_ONCE = 100  # nodes in one round trip
LAST_NODE = "moreh:telemetry:last-node"
EXPIRES_S = KEPT_S + 2 * SLOT_S


@dataclass(frozen=True, slots=True)
class NodeMeans:
    """Means of a node over five minutes: of so many reports; for each device four numbers, None: not measured."""

    devices: int
    reports: int
    means: Collection[float | None]


def slot_of(at: datetime) -> int:
    """Return the number of the five minutes since 1970 in which a time lies."""
    return to_ms(at) // 1000 // SLOT_S


def bytes_of(devices: int) -> int:
    """Return how much memory the cache needs for a node with so many devices.

    Its allocator rounds up to four sizes between two powers of two.
    """
    size = len(_blank(devices)) + 16
    class_size = 1 << (size.bit_length() - 3)
    return -(-size // class_size) * class_size + OVERHEAD


def write_slots(number: int, nodes: Mapping[int, NodeMeans], last_node: int) -> None:
    """Write one slot of many nodes, and up to which id nodes have a string. Raises RedisError.

    Where another server has stored means of more reports for the same five minutes, its means stay.
    """
    client = _client()
    client.set(LAST_NODE, last_node, EXPIRES_S)
    left = iter(nodes.items())
    while some := dict(islice(left, AT_ONCE)):
        pipe = client.pipeline(transaction=False)
        for (pk, means), (devices, head) in zip(some.items(), _heads(client, number, some), strict=True):
            if devices == means.devices and head[0] == number and head[1] >= means.reports:
                continue
            if devices != means.devices:  # whole at once: a string that grows gets twice the memory that it needs
                pipe.set(_key(pk), _blank(means.devices))
            pipe.setrange(_key(pk), _offset(number, means.devices), _packed(number, means))
            pipe.expire(_key(pk), EXPIRES_S)
        pipe.execute()


def read_slots(nodes: Collection[ChosenNode], grid: TimeGrid) -> list[DeviceHistory]:
    """Return what is kept of the devices of some nodes, in one round trip; gaps are None. Raises RedisError.

    Nodes of which nothing is kept are absent. The step of the grid is SLOT_S.
    """
    strings: list[Any] = _client().mget([_key(node.pk) for node in nodes]) if nodes else []
    return [one for node, data in zip(nodes, strings, strict=True) if data for one in _histories(node, data, grid)]


def last_node() -> int | None:
    """Return up to which id nodes have a string; None if nobody has written lately. Raises RedisError."""
    found = _client().get(LAST_NODE)
    return None if found is None else int(found)


def _histories(node: ChosenNode, data: bytes, grid: TimeGrid) -> Iterator[DeviceHistory]:
    devices = data[0]
    columns: list[list[float | None]] = [[] for _ in range(devices * len(MEASURED))]
    for at in grid.times:
        for column, value in zip(columns, _slot(data, at // SLOT_S - 1, devices), strict=True):
            column.append(value)
    for index in range(devices):
        if node.has(index):
            first = index * len(MEASURED)
            yield DeviceHistory(node, index, dict(zip(MEASURED, columns[first:], strict=False)))


def _slot(data: bytes, number: int, devices: int) -> list[float | None]:
    offset, many = _offset(number, devices), devices * len(MEASURED)
    if len(data) < offset + _size(devices) or HEAD.unpack_from(data, offset)[0] != number:
        return [None] * many
    stored = struct.unpack_from(f"<{many}H", data, offset + HEAD.size)
    units = [*UNITS.values()] * devices
    return [None if value == UNKNOWN else round(value * unit, 2) for value, unit in zip(stored, units, strict=True)]


def _packed(number: int, node: NodeMeans) -> bytes:
    units = [*UNITS.values()] * node.devices
    stored = [
        UNKNOWN if mean is None else max(0, min(round(mean / unit), UNKNOWN - 1))
        for mean, unit in zip(node.means, units, strict=True)
    ]
    return HEAD.pack(number, min(node.reports, UNKNOWN)) + struct.pack(f"<{len(stored)}H", *stored)


def _heads(client: redis.Redis, number: int, nodes: Mapping[int, NodeMeans]) -> list[tuple[int, tuple[int, int]]]:
    """Return how many devices the string of each node is for (0: there is none), and the head of the slot in it."""
    pipe = client.pipeline(transaction=False)
    for pk, means in nodes.items():
        offset = _offset(number, means.devices)
        pipe.getrange(_key(pk), 0, 0)
        pipe.getrange(_key(pk), offset, offset + HEAD.size - 1)
    answers = pipe.execute()
    return [
        (int.from_bytes(devices), HEAD.unpack(head) if len(head) == HEAD.size else (0, 0))
        for devices, head in zip(answers[::2], answers[1::2], strict=True)
    ]


@cache
def _blank(devices: int) -> bytes:
    """Return the string of a node of which nothing is known."""
    return bytes([devices]) + bytes(SLOTS * _size(devices))


def _size(devices: int) -> int:
    return HEAD.size + 2 * len(MEASURED) * devices


def _offset(number: int, devices: int) -> int:
    return 1 + number % SLOTS * _size(devices)


def _key(pk: int) -> str:
    return f"moreh:telemetry:{pk}"


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
