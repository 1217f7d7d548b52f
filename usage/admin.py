from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.admin import GrowingAdmin
from usage.metering import HOUR_MS
from usage.models import Closed, ClosedDay, ClosedHour, ClosedMonth

FIGURES = ("until", "device_hours", "device_ms", "minimum", "maximum")


class ClosedAdmin(GrowingAdmin):
    readonly_fields = ("device_hours",)

    @admin.display(description=_("device-hours"), ordering="device_ms")
    def device_hours(self, row: Closed) -> str:
        return f"{row.device_ms / HOUR_MS:.3f}"


@admin.register(ClosedHour)
class ClosedHourAdmin(ClosedAdmin):
    list_display = ("hour", *FIGURES, "closed_at")
    ordering = ("-hour",)
    fields = ("hour", *FIGURES, "starts", "ends", "closed_at")


@admin.register(ClosedDay)
class ClosedDayAdmin(ClosedAdmin):
    list_display = ("day", *FIGURES, "closed_at")
    ordering = ("-day",)
    fields = ("day", *FIGURES, "closed_at")


@admin.register(ClosedMonth)
class ClosedMonthAdmin(ClosedAdmin):
    list_display = ("month", *FIGURES, "closed_at")
    ordering = ("-month",)
    fields = ("month", *FIGURES, "closed_at")
