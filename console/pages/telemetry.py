"""Charts of devices on the pages of a node, a device and a job: temperature, utilization, memory and power."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from backends.models import Backend, Device
from backends.queries.device_history import MOST_NODES, History, HistorySource, ranges_of_history, source_of_history
from console.queries.telemetry import chart_lines, known_times, means_note, reason_of_gap
from core.errors import DomainError, Message
from scheduler.models import Job
from scheduler.queries.device_history import history_of_job, history_of_node

WHOLE = "run"  # the range of a job that is all of its run time
DEFAULT = "6h"
FEW = 3  # times of which a chart must have values to speak for itself


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A column of telemetry as a chart shows it."""

    title: Message
    unit: str
    factor: float = 1.0


SHOWN: Mapping[str, ShownValue] = {
    "temperature": ShownValue(_("Temperature"), "°C"),
    "utilization": ShownValue(_("Utilization"), "%"),
    "used_memory": ShownValue(_("Memory"), "GiB", 1 / 1024),
    "power": ShownValue(_("Power draw"), "W"),
}
TITLES: Mapping[str, Message] = {
    WHOLE: _("Whole run"),
    "1h": _("1 hour"),
    "6h": _("6 hours"),
    "24h": _("24 hours"),
    "7d": _("7 days"),
}


SOURCES: Mapping[HistorySource, Message] = {
    HistorySource.PROMETHEUS: _("from Prometheus"),
    HistorySource.CACHE: _("means of five minutes, kept for 24 hours"),
    HistorySource.NONE: "",
}


def charts_of(noun: str, pk: int) -> dict[str, Any]:
    """Return the context of the charts on the page of a `node`, a `device` or a `job`, without a query."""
    of_job = noun == "job"
    chosen = WHOLE if of_job else DEFAULT
    names = [WHOLE, *ranges_of_history()] if of_job else ranges_of_history()
    charts = [
        {
            "id": f"telemetry-{column}",
            "title": shown.title,
            "address": reverse(f"console:telemetry-{noun}", args=[pk, column]) + f"?range={chosen}",
        }
        for column, shown in SHOWN.items()
    ]
    ranges = [(name, TITLES[name]) for name in names]
    source = SOURCES[source_of_history()]
    return {"charts": charts, "ranges": ranges, "chosen": chosen, "source": source, "zone": settings.TIME_ZONE}


def node(request: HttpRequest, pk: int, column: str) -> JsonResponse:
    """Return a chart of all devices of a node."""
    found = get_object_or_404(Backend, pk=pk)
    return _chart(request, column, lambda length: history_of_node(found, length or DEFAULT, columns=[column]))


def device(request: HttpRequest, pk: int, column: str) -> JsonResponse:
    """Return a chart of one device."""
    found = get_object_or_404(Device.objects.select_related("backend"), pk=pk)
    return _chart(
        request, column, lambda length: history_of_node(found.backend, length or DEFAULT, found.index, [column])
    )


def job(request: HttpRequest, pk: int, column: str) -> JsonResponse:
    """Return a chart of the devices of a job while it ran."""
    found = get_object_or_404(Job, pk=pk)
    return _chart(request, column, lambda length: history_of_job(found, length, [column]))


def _chart(request: HttpRequest, column: str, read: Callable[[str | None], History]) -> JsonResponse:
    length = request.GET.get("range", WHOLE)
    if column not in SHOWN or length not in (WHOLE, *ranges_of_history()):
        return JsonResponse({"error": _now("There is no such chart.")}, status=400)
    try:
        history = read(None if length == WHOLE else length)
    except DomainError as error:
        return JsonResponse({"error": str(error)}, status=502)
    shown = SHOWN[column]
    lines = chart_lines(history, column, shown.factor)
    return JsonResponse(
        {
            "unit": shown.unit,
            "times": [at * 1000 for at in history.grid.times],
            "series": [{"name": line.name, "values": line.values} for line in lines],
            "empty": reason_of_gap(history),
            "note": _note(history, known_times(lines)),
        }
    )


def _note(history: History, known: int) -> str:
    """Return what of the devices is not shown, or why there is so little yet; "" if neither."""
    if history.cut:
        return _now("The first %(most)s nodes are shown.") % {"most": MOST_NODES}
    if history.beyond:
        names = ", ".join(one.name for one in history.beyond)
        return _now("No history is kept of: %(nodes)s.") % {"nodes": names}
    return means_note() if history.source == HistorySource.CACHE and 0 < known < FEW else ""
