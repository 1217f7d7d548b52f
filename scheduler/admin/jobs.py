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
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from moreh_cloud.console.templatetags.jobs import expected_start
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.admin import event_table
from moreh_cloud.lib.admin import (
    ConfirmForm,
    ExactNumber,
    GrowingAdmin,
    GrowingList,
    Table,
    ago,
    badge,
    confirmed,
    link_to,
    without,
)
from scheduler.admin.picture import picture
from scheduler.admin.tones import JOB, WORKER
from scheduler.choices import LIVE, OVER, Cause, JobStatus
from scheduler.models import Job, Worker
from scheduler.outlook import estimates
from scheduler.queries import like
from scheduler.services.jobs import cancel_job, set_job_priority
from scheduler.why import why_it_waits
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY

NOTHING = "–"  # noqa: RUF001 - the sign for "no value"


class PriorityForm(ConfirmForm):
    priority = forms.IntegerField(
        label=_("Priority"),
        min_value=MIN_PRIORITY,
        max_value=MAX_PRIORITY,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("-99 to 99; higher goes first."),
    )


class ByToken(ExactNumber):
    title = _("token")
    parameter_name = "token"


class Phase(admin.SimpleListFilter):
    """Show live jobs unless ended ones are asked for: a queue is short, a history is not."""

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
    """Make the function that gives a job's time between two of its moments; None until the second has come."""

    def read(job: Job) -> float | None:
        begin, end = getattr(job, start), next(filter(None, (getattr(job, name) for name in ends)), None)
        return (end - begin).total_seconds() if begin and end else None

    return read


class JobList(GrowingList):
    """A page of jobs with when those that wait are expected to start, which takes no query."""

    def get_results(self, request: HttpRequest) -> None:
        """Read what the rows of the page show."""
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
    comes_from = _("Jobs come from the programs in the VMs of customers. Those that are over are found by the filter.")
    list_display = (
        "shown_number",
        "token_link",
        "shown_status",
        "shown_why",
        "shown_start",
        "priority",
        "num_devices",
        "asked",
        "waited",
        "ran",
        "group",
    )
    list_filter = (Phase, "status", "cause", "group", ByToken)
    live_topics = "jobs"
    page_of_rows = JobList
    change_form_outer_before_template: Any = ""
    search_fields = ("id__exact", "token__description", "process_name")
    search_help_text = _("Number, customer's name or process")
    ordering = ("-id",)
    export_columns = EXPORTED
    actions = ("cancel", "change_priority")
    actions_detail: Any = ("cancel", "change_priority")
    readonly_fields = ("token_link", "sda_link", "group_link", "shown_from")
    fieldsets = (
        (
            _("Request"),
            {"fields": (("token_link", "sda_link"), ("group_link", "attempt"), ("num_devices", "priority"))},
        ),
        (
            _("Program"),
            {"fields": (("process_name", "pid"), ("framework", "version"), "shown_from")},
        ),
        (_("Latest from the client"), {"fields": (("used_memory", "utilization"), "client_seen_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        jobs: QuerySet[Job] = super().get_queryset(request).select_related("token", "sda__model", "group")
        return jobs.annotate(head=F("group__queue__head"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        """Find what the console's queue finds, which acts through this list."""
        return queryset.filter(like(search_term)), False

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        if (row := kwargs.get("obj")) is not None:
            context["picture"] = picture(row) | {"why": self.told_why(row)}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer on a job's page what it can still take: nothing when it is over, no other place when it runs."""
        status = Job.objects.filter(pk=object_id).values_list("status", flat=True).first()
        useless = {"cancel", "change_priority"} if status in OVER else set()
        if status != JobStatus.WAITING:
            useless.add("change_priority")
        return without(super().get_actions_detail(request, object_id), useless)

    @confirmed(
        _("Cancel"),
        says=_("Waiting jobs leave the queue; the workers of running ones are stopped and their devices cleaned."),
        icon="cancel",
        dangerous=True,
    )
    def cancel(self, actor: Actor, row: Job, _data: dict[str, Any]) -> None:
        cancel_job(row, cause=Cause.BY_OPERATOR, actor=actor)

    @confirmed(
        _("Change priority"),
        says=_("The place in the queue changes. Jobs that do not wait any more are refused."),
        form=PriorityForm,
        icon="swap_vert",
    )
    def change_priority(self, actor: Actor, row: Job, data: dict[str, Any]) -> None:
        set_job_priority(row, data["priority"], actor=actor)

    @admin.display(description=_("job"), ordering="id")
    def shown_number(self, row: Job) -> str:
        return f"#{row.pk}"

    @admin.display(description=_("token"), ordering="token__description")
    def token_link(self, row: Job) -> SafeString | str:
        return link_to(row.token)

    @admin.display(description=_("SDA"))
    def sda_link(self, row: Job) -> SafeString | str:
        return link_to(row.sda, f"{row.sda.model.name} #{row.sda_id}")

    @admin.display(description=_("backend group"))
    def group_link(self, row: Job) -> SafeString | str:
        return link_to(row.group)

    @admin.display(description=_("from address"))
    def shown_from(self, row: Job) -> str:
        return " · ".join(part for part in (row.referer_protocol, row.referer_ip) if part) or NOTHING

    @admin.display(description=_("status"), ordering="status")
    def shown_status(self, row: Job) -> SafeString:
        return badge(row.get_status_display(), JOB[row.status])

    @admin.display(description=_("requested"), ordering="id")
    def asked(self, row: Job) -> SafeString | str:
        return ago(row.requested_at)

    @admin.display(description=_("waited"))
    def waited(self, row: Job) -> str:
        return _span(row.requested_at, row.submitted_at or row.ended_at)

    @admin.display(description=_("ran"))
    def ran(self, row: Job) -> str:
        return _span(row.started_at, row.ended_at) if row.started_at else NOTHING

    def told_why(self, row: Any) -> str:
        """Say why a job waits, or why it ended."""
        if row.status == JobStatus.WAITING:
            return why_it_waits(row, row.head)
        return ": ".join(word for word in (str(row.get_cause_display()) if row.cause else "", row.detail) if word)

    @admin.display(description=_("why"))
    def shown_why(self, row: Any) -> SafeString:
        return format_html('<span style="display: block; min-width: 15rem">{}</span>', self.told_why(row) or NOTHING)

    @admin.display(description=_("estimated start"))
    def shown_start(self, row: Any) -> SafeString | str:
        return expected_start(row.estimate) if row.status == JobStatus.WAITING else NOTHING

    def tables(self, request: HttpRequest, row: Job) -> Iterable[Table]:
        workers = Worker.objects.filter(job=row).select_related("backend").order_by("attempt", "backend_id")
        shown = [
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
        yield Table(_("Workers"), headers, shown)
        yield event_table(f"job/{row.pk}")


def _span(start: datetime, end: datetime | None) -> str:
    end = end or timezone.now()
    seconds = (end - start).total_seconds()
    return _now("%(seconds)s s") % {"seconds": f"{seconds:.1f}"} if seconds < 60 else timesince(start, end, depth=2)
