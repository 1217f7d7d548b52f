"""What agents report wrong with their devices: stored when it changes, at a limited rate for each node."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice

from backends.choices import MAX_DEVICES, Verdict
from backends.health.findings import REPORTED, kind_of
from backends.services.findings import ReportedFact, ReportedHealth
from core.pace import Pace
from core.rpc import in_own_thread
from core.texts import cleaned
from protocol.v1 import agents_pb2 as pb
from scheduler.rpc.stream import DeviceFacts, Stream
from scheduler.services.health import store_reported_health

EVERY, AT_ONCE = 10.0, 2  # seconds between two changes of what is wrong on a node, after the first two
IN_A_ROUND = 500  # nodes; all reports wait for these changes
MOST_FACTS = 32  # of a device; an agent sends no more
MAX_COUNT = 2**63 - 1
LAST_MS = 253_402_300_799_000  # in the year 9999, the last that a date can have
NOTHING: DeviceFacts = ()
Fact = tuple[int, str, int]
"""A fact by the index of its device, its code and number."""


class DeviceHealthInbox:
    """Holds what agents report until it is stored. A report that says the same as before costs nothing.

    A fact by which a device fails does not wait for its node's turn, once for each stream, device, code and number.
    """

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self._waiting: dict[int, tuple[Stream, DeviceFacts]] = {}
        self._urgent: dict[int, set[Fact]] = {}
        self._pace = Pace(EVERY, AT_ONCE)

    def receive(self, stream: Stream, report: pb.Report) -> None:
        """Take what a report says is wrong; the latest report of a node counts."""
        facts = parse_facts(report) if report.device_health else NOTHING
        self.forget(stream.backend.pk)
        if facts == stream.facts:
            return
        self._waiting[stream.backend.pk] = stream, facts
        if urgent := failing(facts) - failing(stream.facts or NOTHING) - stream.hurried:
            self._urgent[stream.backend.pk] = urgent

    def forget(self, backend_id: int) -> None:
        """Drop what waits of a node whose stream has ended."""
        self._waiting.pop(backend_id, None)
        self._urgent.pop(backend_id, None)

    async def flush(self) -> None:
        """Store what has changed; a node that changes too often waits. What could not be stored is tried again."""
        allowed = (pk for pk in list(self._waiting) if pk in self._urgent or not self._pace.wait(pk))
        await self._store(list(islice(allowed, IN_A_ROUND)))

    async def settle(self, backend_id: int) -> None:
        """Store now by what devices of a node fail, before their jobs end and their devices take others."""
        if backend_id in self._urgent:
            await self._store([backend_id])

    async def _store(self, nodes: Sequence[int]) -> None:
        async with self._lock:
            due = {pk: self._waiting[pk] for pk in nodes if pk in self._waiting}
            reports = [ReportedHealth(pk, stream.session, dict(facts)) for pk, (stream, facts) in due.items()]
            if reports:
                await in_own_thread(store_reported_health, reports)
        for pk, (stream, facts) in due.items():
            stream.facts = facts
            stream.hurried |= self._urgent.get(pk, set()) & failing(facts)
            if self._waiting.get(pk) == (stream, facts):
                self.forget(pk)


def failing(facts: DeviceFacts) -> set[Fact]:
    """Return the facts by which devices fail: index, code and number."""
    return {
        (index, fact.code, fact.number)
        for index, found in facts
        for fact in found
        if kind_of(fact.code, fact.number).verdict == Verdict.FAILED
    }


def parse_facts(report: pb.Report) -> DeviceFacts:
    """Return what is wrong with each device, in the order of their indexes; codes that are not known are left out."""
    found = {
        device.index: tuple(
            fact for message in device.facts[:MOST_FACTS] if (fact := _parse_fact(message)).code in REPORTED
        )
        for device in report.device_health
        if device.index < MAX_DEVICES
    }
    return tuple(sorted((index, facts) for index, facts in found.items() if facts))


def _parse_fact(message: pb.HealthFact) -> ReportedFact:
    known = message.code in pb.HealthFact.Code.values()
    return ReportedFact(
        code=pb.HealthFact.Code.Name(message.code) if known else "",
        number=message.number,
        count=min(message.count, MAX_COUNT),
        text=cleaned(message.text),
        first_at=_time(message.first_ms),
        last_at=_time(message.last_ms),
    )


def _time(ms: int) -> datetime | None:
    return datetime.fromtimestamp(ms / 1000, UTC) if 0 < ms < LAST_MS else None
