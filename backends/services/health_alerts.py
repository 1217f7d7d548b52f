"""One alert for each node about the health of its devices: it names those that are not healthy, and why."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from django.utils.translation import gettext_lazy as _

from alerts.choices import Category, Level
from alerts.codes import Code
from alerts.services import NewAlert, clear_alerts, raise_alerts
from alerts.subjects import node
from backends.choices import Verdict
from backends.health.findings import kind_of
from backends.models import Device, Finding
from backends.models.health import OPEN_FINDING
from core.stored_text import StoredText

NAMED = 16  # devices that an alert names
LINE = _("device %(index)s is %(verdict)s. %(reasons)s")
BARE_LINE = _("device %(index)s is %(verdict)s.")
FINDING = "%(meaning)s (%(finding)s)"


def refresh_health_alerts(backend_ids: Collection[int]) -> None:
    """Raise, change or clear the alerts of nodes on which a verdict has changed, in the caller's transaction."""
    sick = Device.objects.filter(backend__in=backend_ids).exclude(verdict=Verdict.HEALTHY).select_related("backend")
    nodes: dict[int, list[Device]] = defaultdict(list)
    for device in sick.order_by("backend_id", "index"):
        nodes[device.backend_id].append(device)
    causes = _causes([device.pk for devices in nodes.values() for device in devices])
    clear_alerts(Category.DEVICE_HEALTH, (node(pk) for pk in backend_ids if pk not in nodes))
    raise_alerts(_alert(pk, devices, causes) for pk, devices in nodes.items())


def _alert(pk: int, devices: Sequence[Device], causes: Mapping[int, Collection[Finding]]) -> NewAlert:
    lines = [_line(device, causes[device.pk]) for device in devices[:NAMED]]
    failed = any(device.verdict == Verdict.FAILED for device in devices)
    level = Level.CRITICAL if failed else Level.WARNING
    return NewAlert(Code.DEVICES_UNHEALTHY, node(pk), {"node": devices[0].backend.name, "devices": lines}, level)


def _causes(devices: Collection[int]) -> dict[int, list[Finding]]:
    """Return the findings that count, by device."""
    causes: dict[int, list[Finding]] = defaultdict(list)
    for finding in Finding.objects.filter(OPEN_FINDING, device__in=devices, cleared_at=None).order_by("pk"):
        causes[finding.device_id].append(finding)
    return causes


def _line(device: Device, findings: Collection[Finding]) -> StoredText:
    """Return what is said of a device: its verdict, and the findings that lead to it."""
    kinds = [(finding, kind_of(finding.code, finding.number)) for finding in findings]
    reasons = [
        StoredText(FINDING, {"meaning": kind.meaning, "finding": str(finding)})
        for finding, kind in kinds
        if kind.verdict == device.verdict
    ]
    named = {"index": f"{device.index:02}", "verdict": Verdict(device.verdict), "reasons": reasons}
    return StoredText(LINE if reasons else BARE_LINE, named)
