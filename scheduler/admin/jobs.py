from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from moreh_cloud.events.admin import actor_of, event_table
from moreh_cloud.lib.admin import (
    ConfirmForm,
    ExactNumber,
    GrowingAdmin,
    Table,
    ago,
    badge,
    confirmed,
    exactly,
    link_to,
)
from scheduler.admin.tones import JOB, WORKER
from scheduler.choices import LIVE, OVER, Cause, JobStatus
from scheduler.models import WAITING, Job, Worker
from scheduler.queries import held_by_jobs
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


@admin.register(Job)
class JobAdmin(GrowingAdmin):
    list_display = (
        "shown_number",
        "token_link",
        "shown_status",
        "shown_why",
        "priority",
        "num_devices",
        "asked",
        "waited",
        "ran",
        "group",
    )
    list_filter = (Phase, "status", "cause", "group", ByToken)
    live_topics = "jobs"
    search_fields = ("id__exact", "token__description", "process_name")
    search_help_text = _("Number, customer's name or process")
    ordering = ("-id",)
    actions = ("cancel", "change_priority")
    actions_detail: Any = ("cancel", "change_priority")
    readonly_fields = ("shown_status", "why", "place", "token_link", "sda_link", "group_link", "waited", "ran")
    fieldsets = (
        (_("State"), {"fields": (("shown_status", "place"), "why", ("cause", "exit_code"), "detail")}),
        (
            _("Request"),
            {"fields": (("token_link", "sda_link"), ("group_link", "attempt"), ("num_devices", "priority"))},
        ),
        (
            _("Program"),
            {"fields": (("process_name", "pid"), ("framework", "version"), ("referer_protocol", "referer_ip"))},
        ),
        (
            _("Times"),
            {
                "fields": (
                    ("requested_at", "submitted_at"),
                    ("started_at", "ended_at"),
                    ("waited", "ran"),
                    "client_seen_at",
                )
            },
        ),
        (_("Latest from the client"), {"fields": (("used_memory", "utilization"),)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        jobs: QuerySet[Job] = super().get_queryset(request).select_related("token", "sda__model", "group")
        return jobs.annotate(head=F("group__queue__head"))

    @confirmed(
        _("Cancel"),
        says=_("Waiting jobs leave the queue; the workers of running ones are stopped and their devices cleaned."),
        icon="cancel",
        dangerous=True,
    )
    def cancel(self, request: HttpRequest, row: Job, _data: dict[str, Any]) -> None:
        cancel_job(row, cause=Cause.BY_OPERATOR, actor=actor_of(request))

    @confirmed(
        _("Change priority"),
        says=_("The place in the queue changes. Jobs that do not wait any more are refused."),
        form=PriorityForm,
        icon="swap_vert",
    )
    def change_priority(self, request: HttpRequest, row: Job, data: dict[str, Any]) -> None:
        set_job_priority(row, data["priority"], actor=actor_of(request))

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

    @admin.display(description=_("why"))
    def why(self, row: Any) -> str:
        if row.status == JobStatus.WAITING:
            return why_it_waits(row, row.head)
        return f"{row.get_cause_display()} {row.detail}".strip() if row.cause else NOTHING

    @admin.display(description=_("why"))
    def shown_why(self, row: Any) -> SafeString:
        return format_html('<span style="display: block; min-width: 15rem">{}</span>', self.why(row))

    @admin.display(description=_("place in the queue"))
    def place(self, row: Any) -> str:
        if row.status != JobStatus.WAITING:
            return NOTHING
        if not hasattr(row, "told_place"):  # unfold reads a value several times
            row.told_place = _place(row)
        told: str = row.told_place
        return told

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
        held = [
            (
                link_to(one.device.backend),
                link_to(one.device, f"{one.device.index:02}"),
                exactly(one.started_at),
                exactly(one.ended_at),
            )
            for one in held_by_jobs([row.pk])
        ]
        yield Table(_("Allocations"), (_("backend"), _("device"), _("from"), _("until")), held)
        yield event_table(f"job/{row.pk}")


def _place(job: Job) -> str:
    queue = Job.objects.filter(WAITING, group=job.group_id)
    ahead = queue.filter(
        Q(priority__gt=job.priority)
        | Q(priority=job.priority, requested_at__lt=job.requested_at)
        | Q(priority=job.priority, requested_at=job.requested_at, pk__lt=job.pk)
    )
    told = _now("%(place)s of %(all)s in %(group)s")
    return told % {"place": ahead.count() + 1, "all": queue.count(), "group": job.group.name}


def _span(start: datetime, end: datetime | None) -> str:
    end = end or timezone.now()
    seconds = (end - start).total_seconds()
    return _now("%(seconds)s s") % {"seconds": f"{seconds:.1f}"} if seconds < 60 else timesince(start, end, depth=2)
