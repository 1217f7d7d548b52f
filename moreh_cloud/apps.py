from importlib import import_module

from django.apps import AppConfig


class MorehCloudConfig(AppConfig):
    """The wiring as an application: its commands, and Celery in every process that has Django.

    Celery is not imported by the package itself, so that the supervisor and the fleet stay small without it.
    """

    name = "moreh_cloud"

    def ready(self) -> None:
        import_module("moreh_cloud.celery")
