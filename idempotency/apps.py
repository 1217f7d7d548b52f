from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AnswersConfig(AppConfig):
    """Stored responses by idempotency key, and change stamps of tables."""

    name = "idempotency"
    label = "answers"
    verbose_name = _("Answers")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # After every migration, because SQLite makes a changed table anew, and its triggers go with the old one.
        post_migrate.connect(_watch, sender=self)


def _watch(using: str, **_more: Any) -> None:
    from idempotency.watching import watch_tables

    watch_tables(using)
