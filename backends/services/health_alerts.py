"""One alert for each node about the health of its devices: it names those that are not healthy, and why."""

from collections import defaultdict
from collections.abc import Collection

from alerts.choices import Category, Level
from alerts.services import clear_alerts, raise_alert
from backends.choices import Verdict
from backends.health.findings import kind_of
from backends.models import Device, Finding
from backends.models.health import OPEN_FINDING

LONGEST = 512


def refresh_health_alerts(backend_ids: Collection[int]) -> None:
    """Raise, change or clear the alerts of nodes on which a verdict has changed, in the caller's transaction."""
    sick = Device.objects.filter(backend__in=backend_ids).exclude(verdict=Verdict.HEALTHY).select_related("backend")
    nodes: dict[int, list[Device]] = defaultdict(list)
    for device in sick.order_by("backend_id", "index"):
        nodes[device.backend_id].append(device)
    causes = _causes([device.pk for devices in nodes.values() for device in devices])
    clear_alerts(Category.DEVICE_HEALTH, subjects=[f"backend/{pk}" for pk in backend_ids if pk not in nodes])
    for pk, devices in nodes.items():
        lines = "; ".join(_line(device, causes[device.pk]) for device in devices)
        failed = any(device.verdict == Verdict.FAILED for device in devices)
        raise_alert(
            Category.DEVICE_HEALTH,
            subject=f"backend/{pk}",
            content=f"{devices[0].backend.name}: {lines}"[:LONGEST],
            level=Level.CRITICAL if failed else Level.WARNING,
        )


def _causes(devices: Collection[int]) -> dict[int, list[Finding]]:
    """Return the findings that count, by device."""
    causes: dict[int, list[Finding]] = defaultdict(list)
    for finding in Finding.objects.filter(OPEN_FINDING, device__in=devices, cleared_at=None).order_by("pk"):
        causes[finding.device_id].append(finding)
    return causes


def _line(device: Device, findings: Collection[Finding]) -> str:
    kinds = [(finding, kind_of(finding.code, finding.number)) for finding in findings]
    reasons = [f"{kind.meaning} ({finding})" for finding, kind in kinds if kind.verdict == device.verdict]
    return " ".join([f"device {device.index:02} is {Verdict(device.verdict).label}.", *reasons])
