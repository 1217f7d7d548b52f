"""One alert for each node about devices that are too hot: levels with hysteresis, after two reports."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from alerts.choices import Category, Level, SubjectKind
from alerts.codes import Code
from alerts.services import NewAlert, settle_alerts
from alerts.subjects import node
from backends.choices import PowerStatus
from backends.health.heat import Heat, HeatLimits, next_heat
from backends.models import HotDevice, Telemetry
from backends.queries import silence_cutoff
from core.clock import db_now
from core.stored_text import StoredText

LEVELS = {1: Level.NOTICE, 2: Level.WARNING, 3: Level.CRITICAL}
NAMED = 16  # devices that an alert names
LINE = _("device %(index)s has reached %(limit)s °C")


def limits() -> HeatLimits:
    """Return the levels of temperatures, as configured."""
    levels = (settings.MOREH_GPU_NOTICE, settings.MOREH_GPU_WARNING, settings.MOREH_GPU_CRITICAL)
    return HeatLimits(*levels, settings.MOREH_GPU_COOLER_BY)


@transaction.atomic
def note_heat() -> None:
    """Follow the temperatures of hot devices, and raise, change or clear the alerts of their nodes.

    A device that is silent stays as hot as it was; one that reports without a temperature stays so for
    MOREH_SILENT_AFTER. Devices of nodes that are deleted or powered off are not hot any more.
    """
    cutoff = silence_cutoff(db_now())
    before = {row.pk: row for row in HotDevice.objects.select_for_update().order_by("pk")}
    rows = _candidates(cutoff)
    after = {
        pk: _followed(before.get(pk), temperature, at, cutoff) for pk, _node, _name, _index, temperature, at in rows
    }
    _store(before, after)
    settle_alerts(Category.GPU_TEMPERATURE, _alerts(rows, after), kind=SubjectKind.NODE)


def _candidates(cutoff: datetime) -> list[Any]:
    followed = Exists(HotDevice.objects.filter(pk=OuterRef("pk")))
    hot = Telemetry.objects.filter(
        Q(temperature__gte=limits().notice, at__gte=cutoff) | followed, device__backend__deleted_at__isnull=True
    ).exclude(device__backend__bmc__status=PowerStatus.OFF)
    names = ("pk", "device__backend_id", "device__backend__name", "device__index", "temperature", "at")
    return list(hot.order_by("device__backend_id", "device__index").values_list(*names))


def _followed(
    before: HotDevice | None, temperature: float | None, at: datetime, cutoff: datetime
) -> tuple[Heat, datetime]:
    if before is None:
        return next_heat(Heat(), temperature or 0, limits()), at
    heat = Heat(before.level, before.towards, before.reports)
    if at <= before.reported_at or at < cutoff:
        return heat, before.reported_at
    if temperature is None:
        return heat if before.reported_at >= cutoff else Heat(), before.reported_at
    return next_heat(heat, temperature, limits()), at


def _store(before: Mapping[int, HotDevice], after: Mapping[int, tuple[Heat, datetime]]) -> None:
    kept = [HotDevice(device_id=pk, reported_at=at, **heat._asdict()) for pk, (heat, at) in after.items() if any(heat)]
    fields = ("level", "towards", "reports", "reported_at")
    HotDevice.objects.bulk_create(
        kept, update_conflicts=True, unique_fields=["device"], update_fields=fields, batch_size=200
    )
    if gone := before.keys() - {row.device_id for row in kept}:
        HotDevice.objects.filter(pk__in=gone).delete()


def _alerts(rows: Iterable[Any], after: Mapping[int, tuple[Heat, datetime]]) -> Iterable[NewAlert]:
    nodes: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
    for pk, backend_id, name, index, _temperature, _at in rows:
        if level := after[pk][0].level:
            nodes[backend_id, name].append((level, index))
    known = limits()
    for (backend_id, name), devices in nodes.items():
        lines = [StoredText(LINE, {"index": f"{i:02}", "limit": known[level - 1]}) for level, i in devices[:NAMED]]
        hottest = LEVELS[max(level for level, _index in devices)]
        yield NewAlert(Code.DEVICES_HOT, node(backend_id), {"node": name, "devices": lines}, hottest)
