from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.services.statements import correct_statements, make_statements
from moreh_cloud.events.actor import Actor
from moreh_cloud.lib.admin import GrowingAdmin, confirmed
from moreh_cloud.lib.said import Said
from usage.metering import HOUR_MS
from usage.models import Closed, ClosedDay, ClosedHour, ClosedMonth

FIGURES = ("until", "device_hours", "device_ms", "minimum", "maximum")
MADE = _("%(made)s statements made, %(issued)s of them issued; %(kept)s had been issued before.")


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
    actions = ("make", "issue", "correct")
    actions_detail: Any = ("make", "issue", "correct")

    @confirmed(
        _("Make statements"),
        says=_("A draft of each token that used something, or the draft again. What is issued stays as it is."),
        icon="receipt_long",
    )
    def make(self, actor: Actor, row: ClosedMonth, _data: dict[str, Any]) -> Said:
        return Said(MADE, make_statements(timezone.localdate(row.month), actor=actor)._asdict())

    @confirmed(
        _("Make and issue statements"),
        says=_("Statements of all tokens are made and frozen: nobody can change them any more, only correct them."),
        icon="verified",
        dangerous=True,
    )
    def issue(self, actor: Actor, row: ClosedMonth, _data: dict[str, Any]) -> Said:
        return Said(MADE, make_statements(timezone.localdate(row.month), actor=actor, issue=True)._asdict())

    @confirmed(
        _("Correct statements"),
        says=_(
            "Of each issued statement that usage and prices of now say otherwise, a correction is issued, for good."
        ),
        icon="difference",
        dangerous=True,
    )
    def correct(self, actor: Actor, row: ClosedMonth, _data: dict[str, Any]) -> Said:
        corrected = correct_statements(timezone.localdate(row.month), actor=actor)
        return Said(_("%(corrected)s corrections issued."), {"corrected": corrected})
