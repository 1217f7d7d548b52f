from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from alerts.choices import Level
from alerts.models import OPEN, Alert
from alerts.services import acknowledge_alert
from core.admin import ServiceAdmin, badge, confirmed, time_ago
from events.actor import Actor

LEVEL_COLOURS = {Level.NOTICE: "info", Level.WARNING: "warning", Level.CRITICAL: "danger"}


class StillOpen(admin.SimpleListFilter):
    """Filter alerts by state."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("open")), ("unseen", _("open, not acknowledged")), ("cleared", _("cleared"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:
        match self.value():
            case "open":
                return queryset.filter(OPEN)
            case "unseen":
                return queryset.filter(OPEN, acknowledged_at__isnull=True)
            case "cleared":
                return queryset.exclude(OPEN)
        return queryset


@admin.register(Alert)
class AlertAdmin(ServiceAdmin):
    """The list of alerts."""

    comes_from = _("What an operator must look at comes here by itself.")
    list_display = (
        "shown_level",
        "category",
        "subject",
        "content",
        "times",
        "raised",
        "shown_state",
        "acknowledged_by",
    )
    list_filter = (StillOpen, "level", "category")
    linked = ("subject__exact",)
    search_fields = ("subject", "content")
    date_hierarchy = "raised_at"
    actions = ("acknowledge",)
    actions_detail = ("acknowledge",)
    fields = (
        ("category", "level"),
        "subject",
        "content",
        "times",
        ("raised_at", "cleared_at"),
        ("acknowledged_at", "acknowledged_by"),
    )

    @confirmed(
        _("Acknowledge"), explanation=_("Everybody sees that you look after it. It stays open until its cause is gone.")
    )
    def acknowledge(self, actor: Actor, row: Alert, _data: dict[str, Any]) -> bool:
        return acknowledge_alert(row, actor=actor)

    @admin.display(description=_("level"), ordering="level")
    def shown_level(self, row: Alert) -> SafeString:
        return badge(row.get_level_display(), LEVEL_COLOURS[Level(row.level)])

    @admin.display(description=_("raised"), ordering="raised_at")
    def raised(self, row: Alert) -> SafeString | str:
        return time_ago(row.raised_at)

    @admin.display(description=_("state"), ordering="cleared_at")
    def shown_state(self, row: Alert) -> SafeString:
        return badge(_("cleared")) if row.cleared_at else badge(_("open"), "warning")
