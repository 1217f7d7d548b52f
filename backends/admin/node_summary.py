"""What needs attention on a node, on top of its page: devices that are not healthy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from backends.admin.health import verdict_badge
from backends.choices import Verdict
from backends.health.findings import Kind, kind_of
from backends.models import Device, Finding
from core.admin import link_to
from core.errors import Message
from core.signs import NOTHING

MOST = 4  # devices; the table below has all of them


@dataclass(frozen=True, slots=True)
class SickDevice:
    """A device that is not healthy: its verdict, the evidence, and what the gravest finding means."""

    link: SafeString | str
    badge: SafeString
    evidence: str
    meaning: Message


def sick_devices(devices: Iterable[Device], findings: Sequence[Finding]) -> list[SickDevice]:
    """Return the devices that are not healthy, failed ones first, with the findings that make them so."""
    sick = [device for device in devices if device.verdict != Verdict.HEALTHY]
    return [_sick(device, findings) for device in sorted(sick, key=lambda one: one.verdict != Verdict.FAILED)]


def _sick(device: Device, findings: Sequence[Finding]) -> SickDevice:
    reasons = _reasons([one for one in findings if one.device_id == device.pk and one.cleared_at is None])
    evidence = "; ".join(finding.evidence for _kind, finding in reasons) or NOTHING
    meaning = reasons[0][0].meaning if reasons else ""
    return SickDevice(link_to(device, f"{device.index:02}"), verdict_badge(device), evidence, meaning)


def _reasons(findings: Iterable[Finding]) -> list[tuple[Kind, Finding]]:
    """Return the findings that count for a verdict, the gravest first; those that have ended if none holds."""
    kinds = [(kind_of(one.code, one.number), one) for one in findings]
    counting = [(kind, one) for kind, one in kinds if kind.verdict != Verdict.HEALTHY]
    holding = [(kind, one) for kind, one in counting if one.ended_at is None]
    return sorted(holding or counting[:1], key=lambda pair: pair[0].verdict != Verdict.FAILED)
