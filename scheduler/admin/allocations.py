from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.admin import ExactNumber, GrowingAdmin, exactly, link_to
from scheduler.models import Allocation


class ByToken(ExactNumber):
    title = _("token")
    parameter_name = "token"


class StillHeld(admin.SimpleListFilter):
    title = _("held")
    parameter_name = "held"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("now", _("now"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Allocation]) -> QuerySet[Allocation]:
        return queryset.filter(ended_at__isnull=True) if self.value() else queryset


@admin.register(Allocation)
class AllocationAdmin(GrowingAdmin):
    list_display = ("id", "device_link", "job_link", "sda_link", "token_link", "since", "until", "clean")
    list_filter = (StillHeld, ByToken)
    list_select_related = ("device__backend", "job", "sda", "token")
    search_fields = ("job__id__exact", "token__description")
    search_help_text = _("Number of the job, or customer's name")
    ordering = ("-id",)
    fields = ("device_link", "job_link", "sda_link", "token_link", "started_at", "ended_at", "clean_at")
    readonly_fields = ("device_link", "job_link", "sda_link", "token_link")

    @admin.display(description=_("from"), ordering="started_at")
    def since(self, row: Allocation) -> SafeString | str:
        return exactly(row.started_at)

    @admin.display(description=_("until"), ordering="ended_at")
    def until(self, row: Allocation) -> SafeString | str:
        return exactly(row.ended_at)

    @admin.display(description=_("clean"), ordering="clean_at")
    def clean(self, row: Allocation) -> SafeString | str:
        return exactly(row.clean_at)

    @admin.display(description=_("device"))
    def device_link(self, row: Allocation) -> SafeString | str:
        return link_to(row.device, f"{row.device.backend.name}/{row.device.index:02}")

    @admin.display(description=_("job"))
    def job_link(self, row: Allocation) -> SafeString | str:
        return link_to(row.job, f"#{row.job_id}")

    @admin.display(description=_("SDA"))
    def sda_link(self, row: Allocation) -> SafeString | str:
        return link_to(row.sda)

    @admin.display(description=_("token"), ordering="token__description")
    def token_link(self, row: Allocation) -> SafeString | str:
        return link_to(row.token)
