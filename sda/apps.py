"""The app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SdaConfig(AppConfig):
    """The app `sda`."""

    name = "sda"
    label = "sda"
    verbose_name = _("SDA")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from sda import subjects  # noqa: F401 - registers them
