import os
import sys
from typing import Any

from django.conf import settings

from core.commands import BaseCommand
from moreh_cloud.apps import unknown_variable
from moreh_cloud.supervisor.site import Site, is_loopback


class Command(BaseCommand):
    """Read the settings and become the supervisor, which needs none of Django's memory."""

    help = "Start the whole product with a simulated fleet; Ctrl-C stops it."
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        for found in settings.MOREH_UNKNOWN:
            self.stderr.write(self.style.WARNING(unknown_variable(*found)))
        site = Site(
            data_dir=settings.MOREH_DATA_DIR,
            http_host=settings.MOREH_HTTP_HOST.strip("[]"),
            http_port=settings.MOREH_HTTP_PORT,
            grpc_host=settings.MOREH_GRPC_HOST.strip("[]"),
            grpc_port=settings.MOREH_GRPC_PORT,
            demo_nodes=settings.MOREH_DEMO_NODES,
            demo_jobs=settings.MOREH_DEMO_JOBS,
            demo_faults=settings.MOREH_DEMO_FAULTS,
            own_broker=not os.environ.get("REDIS_URL"),
            mail_server=settings.EMAIL_BACKEND != settings.EMAIL_FILES_BACKEND,
            metrics_key=bool(settings.MOREH_METRICS_KEY),
            webhooks_here=webhooks_here(),
        )
        os.environ["MOREH_DATA_DIR"] = str(settings.MOREH_DATA_DIR)
        os.chdir(settings.BASE_DIR)
        _give_on_stdin(os.environ.pop("MOREH_ADMIN_PASSWORD", ""))
        os.execv(sys.executable, [sys.executable, "-m", "moreh_cloud.supervisor", *site.arguments()])  # noqa: S606


def webhooks_here() -> bool:
    """Whether webhooks may go to plain http and to this machine, because only its users can reach the demo's pages.

    A newcomer then tries a webhook with a receiver of his own. What the environment says of it counts instead.
    """
    said = any(os.environ.get(name, "").strip() for name in ("MOREH_OUTBOX_HTTP", "MOREH_OUTBOX_NETWORKS"))
    return bool(settings.MOREH_DEMO_NODES) and not said and is_loopback(settings.MOREH_HTTP_HOST.strip("[]"))


def _give_on_stdin(secret: str) -> None:
    """Pass a secret to the supervisor on stdin, so that it does not stay in its environment."""
    reader, writer = os.pipe()
    os.write(writer, secret.encode())
    os.close(writer)
    os.dup2(reader, 0)
    os.close(reader)
