"""Findings about devices and the verdicts that follow: stored in bulk, and only when something changes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet

from backends.choices import HELD, DeviceStatus, ShutdownReason, Verdict
from backends.health.findings import REPORTED
from backends.health.verdict import verdict_of
from backends.models import Device, Finding
from backends.models.health import OPEN_FINDING
from backends.queries import current_sessions
from backends.services.health_alerts import refresh_health_alerts
from core.bulk import update_rows
from core.clock import db_now
from events.actor import SYSTEM
from events.services import NewEvent, record_all

MOST_FINDINGS = 50  # of one device; older ones that have ended are removed

Key = tuple[int, str, int]
"""A finding while it is open: device, code and number."""


@dataclass(frozen=True, slots=True)
class ReportedFact:
    """A fact about a device, as it was reported or found; None: the time of now."""

    code: str
    number: int = 0
    count: int = 0
    text: str = ""
    first_at: datetime | None = None
    last_at: datetime | None = None


class ReportedHealth(NamedTuple):
    """Everything that an agent finds wrong with its devices, by index."""

    backend_id: int
    session: UUID
    facts: Mapping[int, Sequence[ReportedFact]]


@transaction.atomic
def store_reported_health(reports: Iterable[ReportedHealth]) -> list[int]:
    """Store what agents find wrong; return the ids of the devices that have failed by this.

    What a report lacks has ended. Reports of streams that are no longer the session of their node change nothing.
    """
    by_node = {report.backend_id: report for report in reports}
    speaking = current_sessions(list(by_node))
    fresh = [pk for pk, report in by_node.items() if speaking.get(pk) == report.session]
    devices = Device.objects.filter(backend__in=fresh).values_list("pk", "backend_id", "index")
    facts = {pk: list(by_node[node].facts.get(index, ())) for pk, node, index in devices}
    return store_findings(facts, codes=REPORTED)


def store_findings(facts: Mapping[int, Sequence[ReportedFact]], *, codes: Collection[str]) -> list[int]:
    """Make these facts the open findings of these codes, by device, in the caller's transaction.

    Return the ids of the devices that have failed by this. Nothing is written, or locked, where nothing changes.
    """
    if not (touched := _Changes(facts, codes).devices()):
        return []
    locked = list(Device.objects.select_for_update(no_key=True).filter(pk__in=touched).order_by("pk"))
    changes = _Changes({device.pk: facts[device.pk] for device in locked}, codes)
    changes.write()
    _forget_old(touched)
    return judge(locked, others=changes.others())


class _Changes:
    """What has to be written so that the facts are the open findings."""

    def __init__(self, facts: Mapping[int, Sequence[ReportedFact]], codes: Collection[str]) -> None:
        wanted: dict[Key, ReportedFact] = {
            (pk, fact.code, fact.number): fact for pk, found in facts.items() for fact in found if fact.code in codes
        }
        rows = Finding.objects.filter(OPEN_FINDING, device__in=facts, code__in=codes)
        known = {(row.device_id, row.code, row.number): row for row in rows}
        self.new = {key: fact for key, fact in wanted.items() if key not in known}
        self.gone = [row for key, row in known.items() if key not in wanted]
        self.changed = [
            (row, wanted[key]) for key, row in known.items() if key in wanted and _differs(row, wanted[key])
        ]

    def devices(self) -> set[int]:
        """Return the devices about which something has to be written."""
        rows = [*self.gone, *(row for row, _fact in self.changed)]
        return {row.device_id for row in rows} | {pk for pk, _code, _number in self.new}

    def others(self) -> set[int]:
        """Return the devices with other findings than before."""
        return {row.device_id for row in self.gone} | {pk for pk, _code, _number in self.new}

    def write(self) -> None:
        now = db_now()
        Finding.objects.filter(pk__in=[row.pk for row in self.gone]).update(ended_at=now)
        Finding.objects.bulk_create(
            Finding(
                device_id=pk,
                code=code,
                number=number,
                count=fact.count,
                text=fact.text,
                first_at=_past(fact.first_at, now),
                last_at=_past(fact.last_at, now),
            )
            for (pk, code, number), fact in self.new.items()
        )
        update_rows(
            Finding,
            ("count", "text", "last_at", "cleared_at"),
            (
                (row.pk, fact.count, fact.text, _past(fact.last_at, now), _cleared(row, fact))
                for row, fact in self.changed
            ),
        )


def _differs(row: Finding, fact: ReportedFact) -> bool:
    return (row.count, row.text) != (fact.count, fact.text)


def _past(at: datetime | None, now: datetime) -> datetime:
    """Return a time of a node's clock, which may be wrong, but not one of the future."""
    return now if at is None else min(at, now)


def _cleared(row: Finding, fact: ReportedFact) -> datetime | None:
    """Return since when a finding is cleared; one that has become worse counts again."""
    return None if fact.count > row.count else row.cleared_at


def _forget_old(devices: Collection[int]) -> None:
    """Remove the oldest findings that have ended, of devices with too many."""
    found = Finding.objects.filter(device__in=devices).order_by().values_list("device").annotate(findings=Count("pk"))
    for pk, _many in found.filter(findings__gt=MOST_FINDINGS):
        newest = Finding.objects.filter(device=pk).order_by("-pk").values_list("pk", flat=True)
        oldest = list(newest[MOST_FINDINGS:])
        Finding.objects.filter(pk__in=oldest, ended_at__isnull=False).delete()


def judge(devices: Sequence[Device], *, others: Collection[int] = ()) -> list[int]:
    """Set the verdicts on devices, which the caller has locked, by their open findings; `others`: those that changed.

    Return the ids of those that have failed by this. They leave scheduling: idle ones at once, others when clean.
    """
    counted = Finding.objects.filter(
        OPEN_FINDING, device__in=[one.pk for one in devices], cleared_at__isnull=True
    ).order_by("pk")
    findings: dict[int, list[Finding]] = {device.pk: [] for device in devices}
    for finding in counted:
        findings[finding.device_id].append(finding)
    verdicts = {
        device: verdict_of([(one.code, one.number) for one in findings[device.pk]], Verdict(device.verdict))
        for device in devices
    }
    changed = {device: verdict for device, verdict in verdicts.items() if verdict != device.verdict}
    failed = [device.pk for device, verdict in changed.items() if verdict == Verdict.FAILED]
    now = db_now()
    _take_out(Device.objects.filter(pk__in=failed), now)
    update_rows(Device, ("verdict", "verdict_at"), ((one.pk, verdict.value, now) for one, verdict in changed.items()))
    told = {device for device, verdict in verdicts.items() if device.pk in others and verdict != Verdict.HEALTHY}
    if nodes := {device.backend_id for device in changed.keys() | told}:
        refresh_health_alerts(nodes)
    if changed:
        _record(changed, findings)
    return failed


def _take_out(failed: QuerySet[Device], now: datetime) -> None:
    idle = failed.filter(status=DeviceStatus.IDLE)
    idle.update(status=DeviceStatus.SHUTDOWN, why=ShutdownReason.DEVICE_FAILED, since=now)
    used = failed.filter(status__in=(*HELD, DeviceStatus.CLEANING), drain_to="")
    used.update(drain_to=DeviceStatus.SHUTDOWN, verdict_drains=True)


def _record(changed: Mapping[Device, Verdict], findings: Mapping[int, Sequence[Finding]]) -> None:
    record_all(
        (
            NewEvent(
                "SET_DEVICE_VERDICT",
                f"backend/{device.backend_id}",
                None,
                {"device": device.index, "verdict": verdict, "findings": [str(one) for one in findings[device.pk]]},
            )
            for device, verdict in changed.items()
        ),
        actor=SYSTEM,
    )
