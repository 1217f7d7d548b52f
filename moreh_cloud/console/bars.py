"""Allocations joined into the bars of a timeline."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import NamedTuple


class Held(NamedTuple):
    """One device, held from when to when; without a job by a reserved SDA."""

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
    """What a job, or a reservation, held of one row: `height` lanes from `lane` on."""

    row: int
    lane: int
    height: int
    held: Held
    devices: str


def whose(one: Held) -> tuple[datetime, int, int, datetime]:
    """Tell apart what is one bar: the same job, or the same reservation, from when to when."""
    return (one.start, one.job or 0, one.sda, one.end or datetime.max.replace(tzinfo=one.start.tzinfo))


def runs(row: int, held: Iterable[Held]) -> Iterable[Bar]:
    """Join the neighbouring devices of one bar."""
    for _key, parts in groupby(sorted(held, key=lambda one: (whose(one), one.slot)), key=whose):
        run: list[Held] = []
        for one in parts:
            if run and one.slot != run[-1].slot + 1:
                yield Bar(row, run[0].slot, len(run), run[0], named(run))
                run = []
            run.append(one)
        yield Bar(row, run[0].slot, len(run), run[0], named(run))


def take_lane(ends: list[datetime | None], start: datetime, end: datetime | None) -> int:
    """Take the first lane that is free again, or a new one."""
    for lane, until in enumerate(ends):
        if until is not None and until <= start:
            ends[lane] = end
            return lane
    ends.append(end)
    return len(ends) - 1


def named(held: Iterable[Held]) -> str:
    """Name devices like `node-1/00,01`."""
    by_node: dict[str, list[int]] = {}
    for one in held:
        by_node.setdefault(one.node_name, []).append(one.slot)
    return " ".join(
        f"{node}/{','.join(f'{i:02}' for i in sorted(indexes))}" for node, indexes in sorted(by_node.items())
    )
