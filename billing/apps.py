from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from billing.freeze import FROZEN
from core.frozen import freeze_after_migrations


class BillingConfig(AppConfig):
    """Prices, statements and budgets."""

    name = "billing"
    label = "billing"
    verbose_name = _("Billing")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from billing import subjects  # noqa: F401 - registers them

        freeze_after_migrations(self, FROZEN)
