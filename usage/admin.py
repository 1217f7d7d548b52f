"""Closed hours, days and months in the admin."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from core.admin import GrowingAdmin
from usage.metering import HOUR_MS
from usage.models import Closed, ClosedDay, ClosedHour, ClosedMonth

FIGURES = ("until", "device_hours", "device_ms", "minimum", "maximum")


class ClosedAdmin(GrowingAdmin):
    """What the pages of closed hours, days and months have in common."""

    readonly_fields = ("device_hours",)

    @admin.display(description=_("device-hours"), ordering="device_ms")
    def device_hours(self, row: Closed) -> str:
        return f"{row.device_ms / HOUR_MS:.3f}"


@admin.register(ClosedHour)
class ClosedHourAdmin(ClosedAdmin):
    """Closed hours."""

    list_display = ("hour", *FIGURES, "closed_at")
    ordering = ("-hour",)
    fields = ("hour", *FIGURES, "starts", "ends", "closed_at")


@admin.register(ClosedDay)
class ClosedDayAdmin(ClosedAdmin):
    """Closed days."""

    list_display = ("day", *FIGURES, "closed_at")
    ordering = ("-day",)
    fields = ("day", *FIGURES, "closed_at")


class ClosedMonthAdmin(ClosedAdmin):
    """Closed months; billing adds the actions that make statements."""

    list_display = ("month", *FIGURES, "closed_at")
    ordering = ("-month",)
    fields = ("month", *FIGURES, "closed_at")


def register_months(months: type[ClosedMonthAdmin]) -> type[ClosedMonthAdmin]:
    """Register the admin of closed months. It comes from billing, which makes statements of them."""
    admin.site.register(ClosedMonth, months)
    return months
