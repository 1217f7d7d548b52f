from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.staticfiles.apps import StaticFilesConfig
from django.core import checks

from core.far_times import read_far_times
from core.wide_numbers import leave_out


class MorehCloudConfig(AppConfig):
    """The wiring as an application: its commands, and Celery in every process that has Django.

    Celery is not imported by the package itself, so that the supervisor and the fleet stay small without it.
    """

    default = True
    name = "moreh_cloud"

    def ready(self) -> None:
        import_module("moreh_cloud.celery")
        leave_out()
        read_far_times()
        checks.register(check_variables)


def check_variables(app_configs: Any, **more: Any) -> list[checks.CheckMessage]:  # noqa: ARG001 - Django's signature
    """Return warnings about misspelt variables: the setting that was meant keeps its default."""
    return [checks.Warning(unknown_variable(*found), id="moreh.W001") for found in settings.MOREH_UNKNOWN]


def unknown_variable(name: str, nearest: str) -> str:
    """Warn about a variable of the environment that nobody reads, and name the one that may be meant."""
    meant = f" Is {nearest} meant?" if nearest else ""
    return f"{name} is no setting of ours and is ignored.{meant} See docs/settings.md."


class OwnStaticFilesConfig(StaticFilesConfig):
    """Static files without the half that no page of ours uses: Redoc calls outside hosts, REST answers only JSON."""

    default = False
    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        "drf_spectacular_sidecar/redoc/*",
        "rest_framework/*",
    ]
