"""Allocations in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import GrowingAdmin, by_number, exact_time, link_column
from scheduler.models import Allocation


class StillHeld(admin.SimpleListFilter):
    """A filter that keeps allocations that have not ended."""

    title = _("held")
    parameter_name = "held"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("now", _("now"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Allocation]) -> QuerySet[Allocation]:
        return queryset.filter(ended_at__isnull=True) if self.value() else queryset


@admin.register(Allocation)
class AllocationAdmin(GrowingAdmin):
    """Allocations, to read."""

    list_display = ("id", "device_link", "job_link", "sda_link", "token_link", "since", "until", "clean")
    list_filter = (StillHeld, by_number(_("token"), "token"))
    linked = ("job__id__exact",)
    list_select_related = ("device__backend", "job", "sda", "token")
    search_fields = ("job__id__exact", "token__description")
    search_help_text = _("Number of the job, or customer's name")
    ordering = ("-id",)
    fields = ("device_link", "job_link", "sda_link", "token_link", "started_at", "ended_at", "clean_at")
    readonly_fields = ("device_link", "job_link", "sda_link", "token_link")

    @admin.display(description=_("from"), ordering="started_at")
    def since(self, row: Allocation) -> SafeString | str:
        return exact_time(row.started_at)

    @admin.display(description=_("until"), ordering="ended_at")
    def until(self, row: Allocation) -> SafeString | str:
        return exact_time(row.ended_at)

    @admin.display(description=_("clean"), ordering="clean_at")
    def clean(self, row: Allocation) -> SafeString | str:
        return exact_time(row.clean_at)

    device_link = link_column(
        "device", _("device"), text=lambda row: f"{row.device.backend.name}/{row.device.index:02}"
    )
    job_link = link_column("job", _("job"), text=lambda row: f"#{row.job_id}")
    sda_link = link_column("sda", _("SDA"))
    token_link = link_column("token", _("token"), ordering="token__description")
