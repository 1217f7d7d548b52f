"""The jobs page: waiting jobs in the order of their queues, running jobs, and what an operator may do with them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET

from console.pages.base_page import render_page
from console.pages.params import search_text
from console.queries import jobs as reads
from core.clock import db_now
from core.errors import Message
from core.numbers import MAX_ID, whole
from core.times import local_iso
from scheduler.choices import OVER, Availability, JobStatus
from scheduler.queries.counts import LiveCounts, count_live

OPERATE = "scheduler.change_job"
PHASES: Mapping[str, Message] = {"": _("All live"), "waiting": _("Waiting"), "running": _("Running")}


@dataclass(frozen=True, slots=True)
class FigureCard:
    """A number with the address of the list that it counts."""

    title: Message
    figure: int
    address: str
    note: str = ""


@gzip_page
@require_GET
def jobs(request: HttpRequest) -> HttpResponse:
    """Return the page: queues, running jobs and numbers of the last 24 hours; or the part that a live page renews."""
    part, now = request.headers.get("X-Live-Part"), db_now()
    everything, free = count_live(Q()), reads.free_devices(now)
    if part == "jobs-cards":
        return render(request, "console/jobs_cards.html", {"cards": _cards(everything, free, now)})
    queue = _queue(_wanted(request.GET), everything, free, now) | {"operates": request.user.has_perm(OPERATE)}
    if part == "jobs-queue":
        return render(request, "console/jobs_queue.html", queue)
    return render_page(
        request, "console/jobs.html", _("Jobs"), **queue, cards=_cards(everything, free, now), words=_words()
    )


def _queue(wanted: reads.JobFilter, everything: LiveCounts, free: Mapping[int, int], now: datetime) -> dict[str, Any]:
    """Return the context of one page of jobs, with the addresses of other pages and filters."""
    found = count_live(wanted.condition) if wanted.condition else everything
    number = reads.total(found, wanted.phase, wanted.group)
    pages = max(1, -(-number // reads.PAGE))
    wanted = replace(wanted, page=min(wanted.page, pages))
    rows = reads.page_of(wanted, reads.total(found, "waiting", wanted.group))
    reads.add_details(rows, free, now)
    return {
        "rows": rows,
        "number": number,
        "wanted": wanted,
        "customer": reads.customer(wanted.token),
        "groups": _group_tabs(wanted, found),
        "phases": [(label, address(wanted, phase=phase), phase == wanted.phase) for phase, label in PHASES.items()],
        "running": reads.total(found, "running", wanted.group),
        "before": address(wanted, page=wanted.page - 1) if wanted.page > 1 else "",
        "after": address(wanted, page=wanted.page + 1) if wanted.page < pages else "",
        "pages": pages,
        "clear": reverse("console:jobs"),
        "bulk": bulk_address(wanted),
    }


def _wanted(query: QueryDict) -> reads.JobFilter:
    phase = query.get("status", "")
    return reads.JobFilter(
        group=whole(query.get("group"), 0, MAX_ID),
        phase=phase if phase in reads.PHASES else "",
        token=whole(query.get("token"), 1, MAX_ID),
        text=search_text(query.get("q")),
        page=whole(query.get("page"), 1, 100_000) or 1,
    )


def address(wanted: reads.JobFilter, **changes: object) -> str:
    """Return the address of the page with some filters changed; it begins at the first page again."""
    now: dict[str, object] = {"group": wanted.group, "status": wanted.phase, "token": wanted.token, "q": wanted.text}
    now |= {"status" if name == "phase" else name: value for name, value in changes.items()}
    given = {name: str(value) for name, value in now.items() if value not in (None, "")}
    return reverse("console:jobs") + (f"?{urlencode(given)}" if given else "")


def bulk_address(wanted: reads.JobFilter) -> str:
    """Return the address of the admin's list of jobs with the same filters; its actions can apply to all of them."""
    given: dict[str, str | int] = {"status__in": ",".join(reads.PHASES[wanted.phase])}
    given |= {} if wanted.group is None else {"group__id__exact": wanted.group}
    given |= {} if wanted.token is None else {"token": wanted.token}
    given |= {"q": wanted.text} if wanted.text else {}
    return f"{reverse('admin:scheduler_job_changelist')}?{urlencode(given)}"


def _group_tabs(wanted: reads.JobFilter, found: LiveCounts) -> list[tuple[str, str, int, bool]]:
    """Return name, address and number of jobs of each group that has some, and of the chosen group."""
    named = [
        (name, address(wanted, group=pk), reads.total(found, wanted.phase, pk), pk == wanted.group)
        for pk, name in reads.every_group().items()
    ]
    every = (_now("All groups"), address(wanted, group=None), reads.total(found, wanted.phase), wanted.group is None)
    return [every, *(tab for tab in named if tab[2] or tab[3])]


def _cards(counts: LiveCounts, free: Mapping[int, int], now: datetime) -> list[FigureCard]:
    since = (now - reads.DAY).replace(microsecond=0)
    ended = reads.count_ended(since)
    queue, past = reverse("console:jobs"), reverse("console:history")
    day = {"ended_from": local_iso(since)}
    live, waiting = reads.total(counts), reads.total(counts, "waiting")
    devices = reverse("admin:backends_device_changelist") + f"?use={Availability.AVAILABLE}"
    note = _now("%(number)s of them live") % {"number": live}
    states = [(JobStatus(s), ended.get(s, 0)) for s in OVER]
    return [
        FigureCard(_("In 24 hours"), live + sum(ended.values()), f"{past}?{urlencode(day)}", note),
        FigureCard(_("Waiting"), waiting, f"{queue}?status=waiting", _now("now")),
        FigureCard(_("Running"), live - waiting, f"{queue}?status=running", _now("now")),
        *(FigureCard(s.label, n, f"{past}?{urlencode({'status': s, **day})}", _now("in 24 hours")) for s, n in states),
        FigureCard(_("Devices free"), sum(free.values()), devices, _now("now")),
        FigureCard(
            _("Devices asked for"), reads.devices_requested(counts), f"{queue}?status=waiting", _now("by waiting jobs")
        ),
    ]


def _words() -> dict[str, str]:
    """Return the texts of the page's script."""
    return {
        "failed": _now("The server could not be reached. Nothing was changed."),
        "again": _now("The queue has changed meanwhile. Please look again."),
        "changed": _now("%(title)s: priority %(old)s → %(new)s."),
        "canceled": _now("Job #%(job)s is canceled."),
        "moving": _now("Place %(place)s. Press Enter to continue, Esc to put it back."),
        "all": _now("Select all %(number)s that the filter finds"),
        "ticked": _now("Ticked: %(number)s"),
        "job": _now("Job #%(job)s of %(customer)s"),
        "stops": _now("Its program is stopped, and its devices (%(devices)s) are cleaned."),
    }
