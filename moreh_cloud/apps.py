from importlib import import_module

from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig


class MorehCloudConfig(AppConfig):
    """The wiring as an application: its commands, and Celery in every process that has Django.

    Celery is not imported by the package itself, so that the supervisor and the fleet stay small without it.
    """

    default = True
    name = "moreh_cloud"

    def ready(self) -> None:
        import_module("moreh_cloud.celery")


class OwnStaticFilesConfig(StaticFilesConfig):
    """Static files without the half that no page of ours uses: Redoc calls outside hosts, REST answers only JSON."""

    default = False
    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        "drf_spectacular_sidecar/redoc/*",
        "rest_framework/*",
    ]
