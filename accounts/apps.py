from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin import apps as admin_apps
from django.contrib.admin import checks as admin_checks
from django.core import checks
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """Operators, roles and log-in."""

    default = True
    name = "accounts"
    label = "accounts"
    verbose_name = _("Operators")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import receivers  # noqa: F401 - connects them


class OperatorAdminConfig(admin_apps.SimpleAdminConfig):
    """Django's admin on a site of our own.

    The pages are found when the addresses are (`moreh_cloud.urls`): workers, beat and the gRPC server do without, which
    saves each of them 15 MB and a third of its start.
    """

    default = False
    default_site = "accounts.site.OperatorSite"

    def ready(self) -> None:
        checks.register(admin_checks.check_dependencies, checks.Tags.admin)
        checks.register(_check_pages, checks.Tags.admin)


def _check_pages(app_configs: Any, **more: Any) -> list[Any]:
    admin.autodiscover()
    return list(admin_checks.check_admin_app(app_configs, **more))
