from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.admin import ExactNumber, GrowingAdmin, link_to
from moreh_cloud.lib.admin.time_range import TimeRange
from usage.metering import HOUR_MS
from usage.models import ClosedHour, UsageHour


class ByToken(ExactNumber):
    title = _("token")
    parameter_name = "token"


@admin.register(UsageHour)
class UsageHourAdmin(GrowingAdmin):
    list_display = ("hour", "token_link", "device_hours", "device_ms", "minimum", "maximum")
    list_filter = (("hour", TimeRange), ByToken)
    list_select_related = ("token",)
    search_fields = ("token__description",)
    search_help_text = _("Customer's name")
    ordering = ("-hour", "token_id")
    fields = ("hour", "token_link", "device_hours", "device_ms", "minimum", "maximum")
    readonly_fields = ("token_link", "device_hours")

    @admin.display(description=_("token"), ordering="token__description")
    def token_link(self, row: UsageHour) -> SafeString | str:
        return link_to(row.token)

    @admin.display(description=_("device-hours"), ordering="device_ms")
    def device_hours(self, row: UsageHour) -> str:
        return f"{row.device_ms / HOUR_MS:.3f}"


@admin.register(ClosedHour)
class ClosedHourAdmin(GrowingAdmin):
    list_display = ("hour", "device_hours", "device_ms", "minimum", "maximum", "closed_at")
    ordering = ("-hour",)
    fields = ("hour", "device_hours", "device_ms", "minimum", "maximum", "closed_at")
    readonly_fields = ("device_hours",)

    @admin.display(description=_("device-hours"), ordering="device_ms")
    def device_hours(self, row: ClosedHour) -> str:
        return f"{row.device_ms / HOUR_MS:.3f}"
