"""Findings about devices, verdicts, and former cards."""

from collections.abc import Collection

from django.db.models import Count, F, Q, QuerySet

from backends.choices import Verdict
from backends.health.findings import FINDINGS, XID
from backends.models import Device, Finding, FormerCard
from backends.models.health import OPEN_FINDING

LATEST_FINDINGS = 20
_FAILING = [code for code, kind in FINDINGS.items() if kind.verdict == Verdict.FAILED]
FAILING = Q(code__in=[code for code in _FAILING if not code.startswith("XID_")]) | Q(
    code=XID, number__in=[int(code.removeprefix("XID_")) for code in _FAILING if code.startswith("XID_")]
)
"""Findings that lead to the verdict FAILED."""
HOLDING_FIRST = F("ended_at").desc(nulls_first=True), "-pk"


def findings_of(backend_id: int) -> QuerySet[Finding]:
    """Return the latest findings about devices of a node: those that hold first, then the newest."""
    rows = Finding.objects.filter(device__backend=backend_id).select_related("device")
    return rows.order_by(*HOLDING_FIRST)[:LATEST_FINDINGS]


def open_findings() -> QuerySet[Finding]:
    """Return the findings that hold, the oldest first."""
    return Finding.objects.filter(OPEN_FINDING).order_by("pk")


def live_findings() -> QuerySet[Finding]:
    """Return the findings about devices of nodes that are not deleted, the newest first."""
    return Finding.objects.filter(device__backend__deleted_at__isnull=True).order_by("-pk")


def former_cards() -> QuerySet[FormerCard]:
    """Return the former cards of nodes that are not deleted, the last to leave first."""
    return FormerCard.objects.filter(device__backend__deleted_at__isnull=True).order_by("-until", "-pk")


def faulty_devices(group_ids: Collection[int]) -> dict[int, int]:
    """Return how many devices of backend groups have failed or are in repair; groups without any are absent."""
    faulty = Device.objects.filter(Q(verdict=Verdict.FAILED) | Q(in_repair=True))
    rows = faulty.filter(backend__group__in=list(group_ids), backend__deleted_at__isnull=True).order_by()
    return dict(rows.values_list("backend__group").annotate(Count("pk")))


def sick_devices() -> QuerySet[Device]:
    """Return the devices of nodes that are not deleted whose verdict is not HEALTHY."""
    return Device.objects.filter(backend__deleted_at__isnull=True).exclude(verdict=Verdict.HEALTHY)


def failing_findings() -> QuerySet[Finding]:
    """Return the findings that hold, count and lead to the verdict FAILED."""
    return Finding.objects.filter(OPEN_FINDING, FAILING, cleared_at__isnull=True).order_by("pk")
