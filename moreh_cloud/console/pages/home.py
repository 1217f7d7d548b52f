"""The first page: what there is, what it does, and what needs a look."""

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

from moreh_cloud.alerts.choices import Level
from moreh_cloud.console.pages.timeline_asked import local
from moreh_cloud.console.queries import home as queries
from moreh_cloud.console.queries.home import Counts, Course
from moreh_cloud.console.queries.uses import Tally
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.errors import Message
from scheduler.choices import LIVE, OVER, Use
from usage.metering import Held

TITLES: Sequence[Message] = (
    *(_("Nodes"), _("Devices"), _("Service efficiency"), _("Average in use, 7 days")),
    *(_("Jobs now"), _("Jobs ended in 24 hours"), _("Open alerts")),
)
TONES = {Use.IN_USE: "mc-used", Use.AVAILABLE: "mc-ready", Use.UNAVAILABLE: "mc-out"}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a card's total, leading to the list of just that part; `tone` is its colour in the card's bar."""

    label: Message
    number: int
    address: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A total with its parts; `shares` writes each part as a percentage as well. `key` names its explanation."""

    key: str
    title: Message
    address: str
    parts: Sequence[Part]
    shares: bool = False

    @property
    def total(self) -> int:
        return sum(part.number for part in self.parts)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the admin's first page: in an installation at work, what takes long is read when the page stands."""
    later = queries.first_steps().jobs
    parts: dict[str, Any] = {"later": True, "titles": TITLES} if later else {**_cards(request), **_top()}
    return {**context, **parts, **_alerts(), "is_fullwidth": "1"}


def cards(request: HttpRequest) -> TemplateResponse:
    """Draw the cards anew."""
    return TemplateResponse(request, "console/home/cards.html", _cards(request))


def top(request: HttpRequest) -> TemplateResponse:
    """Draw the tokens with the most device-time anew."""
    return TemplateResponse(request, "console/home/top.html", _top())


def alerts(request: HttpRequest) -> TemplateResponse:
    """Draw the latest open alerts anew."""
    return TemplateResponse(request, "console/home/alerts.html", _alerts())


def devices_chart(_request: HttpRequest) -> JsonResponse:
    """Give the devices in use over the last 24 hours."""
    return _course(queries.devices_in_use(db_now()), _now("devices"))


def queue_chart(_request: HttpRequest) -> JsonResponse:
    """Give the waiting jobs over the last 24 hours."""
    return _course(queries.queue_length(db_now()), _now("jobs"))


def _cards(request: HttpRequest) -> dict[str, Any]:
    now = db_now()
    counts, week = queries.counts(now), queries.last_week(now)
    total = sum(counts.devices.values())
    return {
        "cards": [*_machines(counts), *_work(counts)],
        "counts": counts,
        "in_use": counts.devices.get(Use.IN_USE, 0),
        "ready": counts.devices.get(Use.AVAILABLE, 0),
        "device_total": total,
        "week": week,
        "week_rest": max(0.0, total - week.average),
        "steps": queries.first_steps(),
        "may_write": request.user.has_perm("backends.change_backend"),
    }


def _machines(counts: Counts) -> Iterable[Card]:
    nodes, devices = reverse("admin:backends_backend_changelist"), reverse("admin:backends_device_changelist")
    yield Card("nodes", _("Nodes"), nodes, _uses(nodes, counts.nodes), shares=True)
    yield Card("devices", _("Devices"), devices, _uses(devices, counts.devices), shares=True)


def _uses(address: str, numbers: Tally) -> list[Part]:
    return [Part(use.label, numbers.get(use.value, 0), f"{address}?use={use.value}", TONES[use]) for use in Use]


def _work(counts: Counts) -> Iterable[Card]:
    jobs, alerts = reverse("admin:scheduler_job_changelist"), reverse("admin:alerts_alert_changelist")
    ended = f"{reverse('console:history')}?{urlencode({'ended_from': local(counts.since)})}"
    yield Card("jobs", _("Jobs now"), jobs, _parts(f"{jobs}?", counts.live_jobs, LIVE))
    yield Card("ended", _("Jobs ended in 24 hours"), ended, _parts(f"{ended}&", counts.ended_jobs, OVER, "status"))
    open_alerts, levels = f"{alerts}?state=open", list(reversed(Level))
    yield Card(
        "alerts", _("Open alerts"), open_alerts, _parts(f"{open_alerts}&", counts.alerts, levels, "level__exact")
    )


def _parts(address: str, numbers: Tally, states: Iterable[TextChoices], field: str = "status__exact") -> list[Part]:
    return [Part(s.label, numbers.get(s.value, 0), f"{address}{field}={s.value}") for s in states]


def _top() -> dict[str, Any]:
    found, total = queries.top_tokens(db_now())
    return {"top": found, "top_total": total}


def _alerts() -> dict[str, Any]:
    return {"alerts": queries.latest_open_alerts()}


def _course(course: Course, unit: str) -> JsonResponse:
    """Draw average and highest of each piece; a last point lets the last piece be seen."""
    pieces = [*course.pieces, course.pieces[-1]]
    series = [
        {"name": _now("average"), "values": [piece and round(float(piece.average), 2) for piece in pieces]},
        {"name": _now("highest"), "values": [_highest(piece) for piece in pieces]},
    ]
    return JsonResponse({"unit": unit, "times": list(course.bounds), "stepped": True, "series": series})


def _highest(piece: Held | None) -> int | None:
    return piece.maximum if piece else None
