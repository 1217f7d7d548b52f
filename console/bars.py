"""Allocations joined into the bars of a timeline."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import NamedTuple


class HeldDevice(NamedTuple):
    """A device and who held it, from when to when. Without a job, a reserved SDA held it."""

    device: int
    slot: int
    node: int
    node_name: str
    job: int | None
    sda: int
    status: str | None
    token: int
    customer: str
    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Bar:
    """What a job or a reservation held of one row: `height` lanes, beginning at `lane`."""

    row: int
    lane: int
    height: int
    held: HeldDevice
    devices: str


def bar_key(one: HeldDevice) -> tuple[datetime, int, int, datetime]:
    """Return what all devices of one bar have in common: job or reservation, start and end."""
    return (one.start, one.job or 0, one.sda, one.end or datetime.max.replace(tzinfo=one.start.tzinfo))


def join_neighbours(row: int, held: Iterable[HeldDevice]) -> Iterable[Bar]:
    """Return the bars of a row: neighbouring devices of one job or reservation are one bar."""
    for _key, together in groupby(sorted(held, key=lambda one: (bar_key(one), one.slot)), key=bar_key):
        run: list[HeldDevice] = []
        for one in together:
            if run and one.slot != run[-1].slot + 1:
                yield Bar(row, run[0].slot, len(run), run[0], device_names(run))
                run = []
            run.append(one)
        yield Bar(row, run[0].slot, len(run), run[0], device_names(run))


def take_lane(ends: list[datetime | None], start: datetime, end: datetime | None) -> int:
    """Return the first lane that is free at `start`, or a new one, and store in `ends` when it ends."""
    for lane, until in enumerate(ends):
        if until is not None and until <= start:
            ends[lane] = end
            return lane
    ends.append(end)
    return len(ends) - 1


def device_names(held: Iterable[HeldDevice]) -> str:
    """Return the names of devices, for example `node-1/00,01`."""
    by_node: dict[str, list[int]] = {}
    for one in held:
        by_node.setdefault(one.node_name, []).append(one.slot)
    return " ".join(
        f"{node}/{','.join(f'{i:02}' for i in sorted(indexes))}" for node, indexes in sorted(by_node.items())
    )
