"""The Django app of the scheduler."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SchedulerConfig(AppConfig):
    """Configuration of the app; connects its receivers."""

    name = "scheduler"
    label = "scheduler"
    verbose_name = _("Scheduler")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from scheduler import receivers, subjects  # noqa: F401 - connects and registers them
