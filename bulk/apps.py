from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BulkConfig(AppConfig):
    """Acts on many rows at once, carried out by workers while whoever asked looks on, or does not."""

    name = "bulk"
    label = "bulk"
    verbose_name = _("Bulk actions")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from bulk import receivers  # noqa: F401 - connects them
