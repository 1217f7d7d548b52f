from django.conf import settings
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from core.admin import ServiceAdmin, time_ago
from liveness.models import Sign


@admin.register(Sign)
class SignAdmin(ServiceAdmin):
    """Show when background processes were last seen, and when periodic work was last done."""

    comes_from = _("Background processes, and periodic work that was begun, show here when they were last seen.")
    list_display = ("name", "every", "begun", "seen", "by", "fallback")
    search_fields = ("name", "by")
    ordering = ("name",)
    fields = ("name", "every", "begun_at", "seen_at", "by", "fallback")
    readonly_fields = ("every",)

    @admin.display(description=_("every (s)"))
    def every(self, row: Sign) -> float | None:
        """Return the period of periodic work; the settings decide it."""
        entry = settings.CELERY_BEAT_SCHEDULE.get(row.name)
        return entry["schedule"] if entry else None

    @admin.display(description=_("last begun"), ordering="begun_at")
    def begun(self, row: Sign) -> str:
        return time_ago(row.begun_at)

    @admin.display(description=_("last seen, or done"), ordering="seen_at")
    def seen(self, row: Sign) -> str:
        return time_ago(row.seen_at)
