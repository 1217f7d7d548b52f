"""The app and what it connects at start."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RemediationConfig(AppConfig):
    """The app `remediation`."""

    name = "remediation"
    label = "remediation"
    verbose_name = _("Repairs")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from remediation import receivers  # noqa: F401 - connects them
