"""Gunicorn: threads in one or more processes, and the product's own log lines instead of gunicorn's."""

import os
from typing import Any

from django.conf import settings

from moreh_cloud.lib.memory import settle

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moreh_cloud.settings")

wsgi_app = "moreh_cloud.wsgi"
bind = f"{settings.MOREH_HTTP_HOST}:{settings.MOREH_HTTP_PORT}"
worker_class = "gthread"
threads = settings.MOREH_WEB_THREADS + settings.MOREH_LIVE_STREAMS  # a live page keeps one
graceful_timeout = 30
control_socket_disable = True  # it would lie in the home folder, shared by all installations of a user
logconfig_dict: dict[str, Any] = dict(settings.LOGGING)
logconfig_dict["loggers"] = {
    **logconfig_dict["loggers"],
    "gunicorn.error": {"handlers": [], "level": "INFO", "propagate": True},
    # No access log: request lines may hold tokens, and the proxy in front writes one.
    "gunicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
}


def post_worker_init(worker: Any) -> None:
    """Settle memory; end the live streams when the worker is to end: it waits for every answer that is not complete."""
    settle()
    from moreh_cloud.console.live.views import watcher  # Django is set up only now

    watcher.serve_while(lambda: worker.alive)
