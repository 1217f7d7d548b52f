"""The home page: numbers of nodes, devices and jobs, usage, and open alerts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import TextChoices
from django.http import HttpRequest, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from alerts.choices import Level
from alerts.subjects import named, page_of
from console.queries import home as queries
from console.queries.home import Counts, DaySeries
from core.clock import db_now
from core.errors import Message
from core.times import local_iso
from scheduler.choices import LIVE, OVER, Availability
from scheduler.queries.counts import Tally
from usage.metering import HeldDevices

TITLES: Sequence[Message] = (
    *(_("Nodes"), _("Devices"), _("Service efficiency"), _("Average in use, 7 days")),
    *(_("Jobs now"), _("Jobs ended in 24 hours"), _("Open alerts")),
)
USE_COLOURS = {Availability.IN_USE: "mc-used", Availability.AVAILABLE: "mc-ready", Availability.UNAVAILABLE: "mc-out"}


@dataclass(frozen=True, slots=True)
class CardPart:
    """A part of the total of a card, with the address of its list and its colour in the card's bar."""

    label: Message
    number: int
    address: str
    colour: str = ""


@dataclass(frozen=True, slots=True)
class SummaryCard:
    """A total with its parts. `percent`: parts are shown as percentages too. `key` names its explanation."""

    key: str
    title: Message
    address: str
    parts: Sequence[CardPart]
    percent: bool = False

    @property
    def total(self) -> int:
        """Return the sum of the parts."""
        return sum(part.number for part in self.parts)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the admin's first page. Once there are jobs, the page loads what takes long afterwards."""
    later = queries.first_steps().jobs
    parts: dict[str, Any] = {"later": True, "titles": TITLES} if later else {**_cards(request), **_top()}
    return {**context, **parts, **_alerts(), **_maintenance(), "is_fullwidth": "1"}


def cards(request: HttpRequest) -> TemplateResponse:
    """Return the cards."""
    return TemplateResponse(request, "console/home/cards.html", _cards(request))


def top(request: HttpRequest) -> TemplateResponse:
    """Return the tokens with the most device-time."""
    return TemplateResponse(request, "console/home/top.html", _top())


def alerts(request: HttpRequest) -> TemplateResponse:
    """Return the latest open alerts."""
    return TemplateResponse(request, "console/home/alerts.html", _alerts())


def maintenance(request: HttpRequest) -> TemplateResponse:
    """Return the maintenance windows that last or come next."""
    return TemplateResponse(request, "console/home/maintenance.html", _maintenance())


def devices_chart(_request: HttpRequest) -> JsonResponse:
    """Return the devices in use over the last 24 hours."""
    return _chart(queries.devices_in_use(db_now()), _now("devices"))


def queue_chart(_request: HttpRequest) -> JsonResponse:
    """Return the waiting jobs over the last 24 hours."""
    return _chart(queries.queue_length(db_now()), _now("jobs"))


def _cards(request: HttpRequest) -> dict[str, Any]:
    now = db_now()
    counts, week = queries.counts(now), queries.last_week(now)
    return {
        "cards": [*_machines(counts), *_work(counts)],
        "counts": counts,
        "in_use": counts.devices.get(Availability.IN_USE, 0),
        "ready": counts.devices.get(Availability.AVAILABLE, 0),
        "week": week,
        "week_rest": max(0.0, float(week.capacity.devices) - week.average),
        "steps": queries.first_steps(),
        "may_write": request.user.has_perm("backends.change_backend"),
    }


def _machines(counts: Counts) -> Iterable[SummaryCard]:
    nodes, devices = reverse("admin:backends_backend_changelist"), reverse("admin:backends_device_changelist")
    yield SummaryCard("nodes", _("Nodes"), nodes, _uses(nodes, counts.nodes), percent=True)
    yield SummaryCard("devices", _("Devices"), devices, _uses(devices, counts.devices), percent=True)


def _uses(address: str, numbers: Tally) -> list[CardPart]:
    return [
        CardPart(use.label, numbers.get(use.value, 0), f"{address}?use={use.value}", USE_COLOURS[use])
        for use in Availability
    ]


def _work(counts: Counts) -> Iterable[SummaryCard]:
    jobs, alerts = reverse("admin:scheduler_job_changelist"), reverse("admin:alerts_alert_changelist")
    ended = f"{reverse('console:history')}?{urlencode({'ended_from': local_iso(counts.since)})}"
    yield SummaryCard("jobs", _("Jobs now"), jobs, _parts(f"{jobs}?", counts.live_jobs, LIVE))
    yield SummaryCard(
        "ended", _("Jobs ended in 24 hours"), ended, _parts(f"{ended}&", counts.ended_jobs, OVER, "status")
    )
    open_alerts, levels = f"{alerts}?state=open", list(reversed(Level))
    yield SummaryCard(
        "alerts", _("Open alerts"), open_alerts, _parts(f"{open_alerts}&", counts.alerts, levels, "level__exact")
    )


def _parts(address: str, numbers: Tally, states: Iterable[TextChoices], field: str = "status__exact") -> list[CardPart]:
    return [CardPart(s.label, numbers.get(s.value, 0), f"{address}{field}={s.value}") for s in states]


def _top() -> dict[str, Any]:
    found, total = queries.top_tokens(db_now())
    return {"top": found, "top_total": total}


def _alerts() -> dict[str, Any]:
    shown = [
        (one.alert, named(one.alert.subject, one.facts), page_of(one.alert.subject))
        for one in queries.latest_open_alerts()
    ]
    nodes = queries.most_alerted_nodes()
    return {"alerts": shown, "alerted_nodes": [(one, Level(one.alerts.level).label) for one in nodes]}


def _maintenance() -> dict[str, Any]:
    return {"windows": queries.coming_windows()}


def _chart(series: DaySeries, unit: str) -> JsonResponse:
    """Return average and highest of each piece. The last point is repeated, which gives the last piece a width."""
    pieces = [*series.pieces, series.pieces[-1]]
    curves = [
        {"name": _now("average"), "values": [piece and round(float(piece.average), 2) for piece in pieces]},
        {"name": _now("highest"), "values": [_highest(piece) for piece in pieces]},
    ]
    return JsonResponse({"unit": unit, "times": list(series.bounds), "stepped": True, "series": curves})


def _highest(piece: HeldDevices | None) -> int | None:
    return piece.maximum if piece else None
