"""The app and what it connects at start."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BackendsConfig(AppConfig):
    """The app `backends`."""

    name = "backends"
    label = "backends"
    verbose_name = _("Backends")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from backends import receivers, subjects  # noqa: F401 - connects and registers them
