from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from core.frozen import freeze_after_migrations
from events.freeze import FROZEN


class EventsConfig(AppConfig):
    """The audit log."""

    name = "events"
    label = "events"
    verbose_name = _("Events")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        freeze_after_migrations(self, FROZEN)
