"""Jobs in the admin: the queue, the history, and the page of a job."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from core.admin import (
    ConfirmForm,
    GrowingAdmin,
    GrowingList,
    Table,
    badge,
    by_number,
    confirmed,
    link_column,
    link_to,
    time_ago,
    with_key,
    without,
)
from events.actor import Actor
from events.admin import event_table
from scheduler.admin.badge_colours import JOB, WORKER
from scheduler.admin.picture import picture
from scheduler.choices import HOLDING, LIVE, OVER, Cause, JobStatus
from scheduler.estimates.start_estimates import estimates
from scheduler.models import Job, Worker
from scheduler.pending_reason import describe_faulty_devices, describe_pending_reason, faulty_among
from scheduler.queries.jobs import like
from scheduler.queries.maintenance import maintenance_of
from scheduler.services.jobs import cancel_job, set_job_priority
from scheduler.templatetags.jobs import expected_start
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY

NOTHING = "–"  # noqa: RUF001 - the sign for "no value"


class PriorityForm(ConfirmForm):
    """The new priority of the chosen jobs."""

    priority = forms.IntegerField(
        label=_("Priority"),
        min_value=MIN_PRIORITY,
        max_value=MAX_PRIORITY,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("-99 to 99; higher goes first."),
    )


class Phase(admin.SimpleListFilter):
    """A filter that keeps live jobs unless ended ones are chosen, because a queue is short and a history is not."""

    title = _("phase")
    parameter_name = "phase"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("over", _("Ended")), ("all", _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        if self.value() == "over":
            return queryset.filter(status__in=OVER)
        return queryset if self.value() == "all" or "token" in request.GET else queryset.filter(status__in=LIVE)

    def choices(self, changelist: Any) -> Any:
        first, *rest = super().choices(changelist)
        yield {**first, "display": _("Live")}
        yield from rest


def _seconds(start: str, *ends: str) -> Callable[[Job], float | None]:
    """Return a function that returns the seconds between two times of a job; None until both are known.

    The second time is the first of `ends` that the job has.
    """

    def read(job: Job) -> float | None:
        begin, end = getattr(job, start), next(filter(None, (getattr(job, name) for name in ends)), None)
        return (end - begin).total_seconds() if begin and end else None

    return read


class JobList(GrowingList):
    """A page of jobs; waiting ones carry their start estimate, which needs no query."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows of the page, and the estimates of those that wait."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        waiting: list[Any] = [job for job in self.result_list if job.status == JobStatus.WAITING]
        known = estimates({job.group_id for job in waiting})
        for job in waiting:
            job.estimate = known.get(job.pk)


EXPORTED = {
    "number": None,
    "start": None,
    "why": lambda job: job.cause or job.pending_reason,
    "asked": "requested_at",
    "submitted": "submitted_at",
    "started": "started_at",
    "ended": "ended_at",
    "waited": _seconds("requested_at", "submitted_at", "ended_at"),
    "ran": _seconds("started_at", "ended_at"),
    "process": "process_name",
}


@admin.register(Job)
class JobAdmin(GrowingAdmin):
    """Jobs: cancel them, and change the priority of waiting ones."""

    comes_from = _("Jobs come from the programs in the VMs of customers. Those that are over are found by the filter.")
    list_display = (
        "number_column",
        "token_link",
        "status_column",
        "why_column",
        "start_column",
        "priority",
        "num_devices",
        "asked",
        "waited",
        "ran",
        "group",
    )
    list_filter = (Phase, "status", "cause", "group", by_number(_("token"), "token"))
    linked = ("status__in",)
    live_topics = "jobs"
    page_of_rows = JobList
    change_form_outer_before_template: Any = ""
    search_fields = ("id__exact", "token__description", "process_name")
    search_help_text = _("Number, customer's name or process")
    ordering = ("-id",)
    export_columns = EXPORTED
    actions = ("cancel", "change_priority")
    actions_detail: Any = ("cancel", "change_priority")
    readonly_fields = ("token_link", "sda_link", "group_link", "from_column")
    fieldsets = (
        (
            _("Request"),
            {"fields": (("token_link", "sda_link"), ("group_link", "attempt"), ("num_devices", "priority"))},
        ),
        (
            _("Program"),
            {"fields": (("process_name", "pid"), ("framework", "version"), "from_column")},
        ),
        (_("Latest from the client"), {"fields": (("used_memory", "utilization"), "client_seen_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        jobs: QuerySet[Job] = super().get_queryset(request).select_related("token", "sda__model", "group")
        return jobs.annotate(head=F("group__queue__head"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        """Return the jobs that the search of the console's queue finds; the queue acts through this list."""
        return queryset.filter(like(search_term.replace("\0", " "))), False

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        if (row := kwargs.get("obj")) is not None:
            why = f"{self.reason_of(row)} {_faulty_note(row)}".strip()
            context["picture"] = picture(row) | {"why": why or _maintenance_note(row)}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Return the actions that the job still allows: none when it is over, no new priority when it runs."""
        status = with_key(Job.objects.all(), object_id).values_list("status", flat=True).first()
        useless = {"cancel", "change_priority"} if status in OVER else set()
        if status != JobStatus.WAITING:
            useless.add("change_priority")
        return without(super().get_actions_detail(request, object_id), useless)

    @confirmed(
        _("Cancel"),
        explanation=_(
            "Waiting jobs leave the queue; the workers of running ones are stopped and their devices cleaned."
        ),
        icon="cancel",
        dangerous=True,
    )
    def cancel(self, actor: Actor, row: Job, _data: dict[str, Any]) -> None:
        """Cancel a job. Raises JobFinished."""
        cancel_job(row, cause=Cause.BY_OPERATOR, actor=actor)

    @confirmed(
        _("Change priority"),
        explanation=_("The place in the queue changes. Jobs that do not wait any more are refused."),
        form=PriorityForm,
        icon="swap_vert",
    )
    def change_priority(self, actor: Actor, row: Job, data: dict[str, Any]) -> bool:
        """Change the priority of a waiting job; return whether it changed."""
        return set_job_priority(row, data["priority"], actor=actor).revision != row.revision

    @admin.display(description=_("job"), ordering="id")
    def number_column(self, row: Job) -> str:
        return f"#{row.pk}"

    token_link = link_column("token", _("token"), ordering="token__description")
    sda_link = link_column("sda", _("SDA"), text=lambda row: f"{row.sda.model.name} #{row.sda_id}")
    group_link = link_column("group", _("backend group"))

    @admin.display(description=_("from address"))
    def from_column(self, row: Job) -> str:
        return " · ".join(text for text in (row.referer_protocol, row.referer_ip) if text) or NOTHING

    @admin.display(description=_("status"), ordering="status")
    def status_column(self, row: Job) -> SafeString:
        return badge(row.get_status_display(), JOB[row.status])

    @admin.display(description=_("requested"), ordering="id")
    def asked(self, row: Job) -> SafeString | str:
        return time_ago(row.requested_at)

    @admin.display(description=_("waited"))
    def waited(self, row: Job) -> str:
        return _span(row.requested_at, row.submitted_at or row.ended_at)

    @admin.display(description=_("ran"))
    def ran(self, row: Job) -> str:
        return _span(row.started_at, row.ended_at) if row.started_at else NOTHING

    def reason_of(self, row: Any) -> str:
        """Return why a job waits, or why it ended."""
        if row.status == JobStatus.WAITING:
            return describe_pending_reason(row, row.head)
        return ": ".join(word for word in (str(row.get_cause_display()) if row.cause else "", row.detail) if word)

    @admin.display(description=_("why"))
    def why_column(self, row: Any) -> SafeString:
        return format_html('<span style="display: block; min-width: 15rem">{}</span>', self.reason_of(row) or NOTHING)

    @admin.display(description=_("estimated start"))
    def start_column(self, row: Any) -> SafeString | str:
        return expected_start(row.estimate) if row.status == JobStatus.WAITING else NOTHING

    def tables(self, request: HttpRequest, row: Job) -> Iterable[Table]:
        """Yield the workers and the events of a job."""
        workers = Worker.objects.filter(job=row).select_related("backend").order_by("attempt", "backend_id")
        rows = [
            (
                one.attempt,
                link_to(one.backend),
                ", ".join(map(str, one.devices)),
                badge(one.get_state_display(), WORKER[one.state]),
                one.address,
                one.error,
            )
            for one in workers
        ]
        headers = (_("attempt"), _("backend"), _("devices"), _("state"), _("address"), _("error"))
        yield Table(_("Workers"), headers, rows)
        yield event_table(f"job/{row.pk}")


def _faulty_note(row: Job) -> str:
    """Return how many devices of its group have failed or are in repair; "" unless the job waits for devices."""
    if row.status != JobStatus.WAITING:
        return ""
    found = faulty_among([(row.group_id, row.pending_reason)])
    return describe_faulty_devices(row.pending_reason, found.get(row.group_id, 0))


def _maintenance_note(row: Job) -> str:
    """Return that maintenance of a node of a job begins or lasts; "" if the job is over before, or holds nothing."""
    at = maintenance_of([row] if row.status in HOLDING else []).get(row.pk)
    if at is None:
        return ""
    moment = f"{timezone.localtime(at):%Y-%m-%d %H:%M}"
    if at <= timezone.now():
        return gettext("One of its nodes is in maintenance since %(at)s; its devices leave service when it ends.") % {
            "at": moment
        }
    return gettext("Maintenance of one of its nodes begins at %(at)s.") % {"at": moment}


def _span(start: datetime, end: datetime | None) -> str:
    end = end or timezone.now()
    seconds = (end - start).total_seconds()
    return gettext("%(seconds)s s") % {"seconds": f"{seconds:.1f}"} if seconds < 60 else timesince(start, end, depth=2)
