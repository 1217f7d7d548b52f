"""Jobs: who waits, in the order in which they will be tried, who runs, and what may be done about it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET

from moreh_cloud.console.pages.asked import text, whole
from moreh_cloud.console.pages.frame import show
from moreh_cloud.console.queries import jobs as reads
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.errors import Message
from scheduler.choices import OVER, JobStatus
from scheduler.queries import MAX_ID

OPERATE = "scheduler.change_job"
PHASES: Mapping[str, Message] = {"": _("All live"), "waiting": _("Waiting"), "running": _("Running")}


@dataclass(frozen=True, slots=True)
class Card:
    """A figure that leads to the list behind it."""

    title: Message
    figure: int
    address: str
    note: str = ""


@gzip_page
@require_GET
def jobs(request: HttpRequest) -> HttpResponse:
    """Show the queues, who holds devices, and the last 24 hours in numbers; or only the part that renews itself."""
    part, now = request.headers.get("X-Live-Part"), db_now()
    everything, free = reads.count_live(Q()), reads.free_devices(now)
    if part == "jobs-cards":
        return render(request, "console/jobs_cards.html", {"cards": _cards(everything, free, now)})
    queue = _queue(_wanted(request.GET), everything, free, now) | {"operates": request.user.has_perm(OPERATE)}
    if part == "jobs-queue":
        return render(request, "console/jobs_queue.html", queue)
    return show(request, "console/jobs.html", _("Jobs"), **queue, cards=_cards(everything, free, now), words=_words())


def _queue(wanted: reads.Wanted, everything: reads.Counts, free: Mapping[int, int], now: datetime) -> dict[str, Any]:
    """Give one page of what is wanted, and the ways to other pages and filters."""
    found = reads.count_live(wanted.narrow) if wanted.narrow else everything
    number = reads.total(found, wanted.phase, wanted.group)
    pages = max(1, -(-number // reads.PAGE))
    wanted = replace(wanted, page=min(wanted.page, pages))
    rows = reads.page_of(wanted, reads.total(found, "waiting", wanted.group))
    reads.explain(rows, free, now)
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


def _wanted(asked: QueryDict) -> reads.Wanted:
    phase = asked.get("status", "")
    return reads.Wanted(
        group=whole(asked.get("group"), 0, MAX_ID),
        phase=phase if phase in reads.PHASES else "",
        token=whole(asked.get("token"), 1, MAX_ID),
        text=text(asked.get("q")),
        page=whole(asked.get("page"), 1, 100_000) or 1,
    )


def address(wanted: reads.Wanted, **changes: object) -> str:
    """Give the page's address with other filters; a new filter begins at the first page."""
    now: dict[str, object] = {"group": wanted.group, "status": wanted.phase, "token": wanted.token, "q": wanted.text}
    now |= {"status" if name == "phase" else name: value for name, value in changes.items()}
    asked = {name: str(value) for name, value in now.items() if value not in (None, "")}
    return reverse("console:jobs") + (f"?{urlencode(asked)}" if asked else "")


def bulk_address(wanted: reads.Wanted) -> str:
    """Give the list of jobs in the admin with the same filters, where actions on all that is found are at home."""
    asked: dict[str, str | int] = {"status__in": ",".join(reads.PHASES[wanted.phase])}
    asked |= {} if wanted.group is None else {"group__id__exact": wanted.group}
    asked |= {} if wanted.token is None else {"token": wanted.token}
    asked |= {"q": wanted.text} if wanted.text else {}
    return f"{reverse('admin:scheduler_job_changelist')}?{urlencode(asked)}"


def _group_tabs(wanted: reads.Wanted, found: reads.Counts) -> list[tuple[str, str, int, bool]]:
    """Give name, address and number of every group with wanted jobs, and of the chosen one."""
    named = [
        (name, address(wanted, group=pk), reads.total(found, wanted.phase, pk), pk == wanted.group)
        for pk, name in reads.groups().items()
    ]
    every = (_now("All groups"), address(wanted, group=None), reads.total(found, wanted.phase), wanted.group is None)
    return [every, *(tab for tab in named if tab[2] or tab[3])]


def _cards(counts: reads.Counts, free: Mapping[int, int], now: datetime) -> list[Card]:
    since = (now - reads.DAY).replace(microsecond=0)
    ended = reads.count_ended(since)
    queue, past = reverse("console:jobs"), reverse("console:history")
    day = {"ended_from": f"{timezone.localtime(since):%Y-%m-%dT%H:%M:%S}"}
    live, waiting = reads.total(counts), reads.total(counts, "waiting")
    devices = reverse("admin:backends_device_changelist") + "?status__exact=IDLE"
    note = _now("%(number)s of them live") % {"number": live}
    states = [(JobStatus(s), ended.get(s, 0)) for s in OVER]
    return [
        Card(_("In 24 hours"), live + sum(ended.values()), f"{past}?{urlencode(day)}", note),
        Card(_("Waiting"), waiting, f"{queue}?status=waiting", _now("now")),
        Card(_("Running"), live - waiting, f"{queue}?status=running", _now("now")),
        *(Card(s.label, n, f"{past}?{urlencode({'status': s, **day})}", _now("in 24 hours")) for s, n in states),
        Card(_("Devices free"), sum(free.values()), devices, _now("now")),
        Card(_("Devices asked for"), reads.devices_asked(counts), f"{queue}?status=waiting", _now("by waiting jobs")),
    ]


def _words() -> dict[str, str]:
    """Give what the page's script says."""
    return {
        "failed": _now("The server could not be reached. Nothing was changed."),
        "changed": _now("%(title)s: priority %(old)s → %(new)s."),
        "canceled": _now("Job #%(job)s is canceled."),
        "moving": _now("Place %(place)s. Enter asks, Esc puts it back."),
        "all": _now("Select all %(number)s that the filter finds"),
        "ticked": _now("Ticked: %(number)s"),
        "job": _now("Job #%(job)s of %(customer)s"),
        "stops": _now("Its program is stopped, and its devices (%(devices)s) are cleaned."),
    }
