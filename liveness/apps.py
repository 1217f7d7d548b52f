from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LivenessConfig(AppConfig):
    """Which background processes are alive, and when periodic work was last done."""

    name = "liveness"
    label = "liveness"
    verbose_name = _("Liveness")
    default_auto_field = "django.db.models.BigAutoField"
