"""Configure gunicorn: threads in one or more processes, and the product's own log format instead of gunicorn's."""

import os
from typing import Any

from django.conf import settings

from moreh_cloud.memory import settle

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moreh_cloud.settings")

wsgi_app = "moreh_cloud.wsgi"
bind = f"{settings.MOREH_HTTP_HOST}:{settings.MOREH_HTTP_PORT}"
worker_class = "moreh_cloud.web.worker.BufferingWorker"
worker_connections = 512
limit_request_line = 8190  # gunicorn's most: an address may name hundreds of nodes
# Each live page, and each output that is followed or downloaded, holds a thread.
threads = settings.MOREH_WEB_THREADS + settings.MOREH_LIVE_STREAMS + settings.MOREH_LOG_STREAMS
graceful_timeout = 30
control_socket_disable = True  # it would be in the home folder, shared by all installations of a user
logconfig_dict: dict[str, Any] = dict(settings.LOGGING)
logconfig_dict["loggers"] = {
    **logconfig_dict["loggers"],
    "gunicorn.error": {"handlers": [], "level": "INFO", "propagate": True},
    # No access log: request lines can contain tokens, and the proxy in front writes its own.
    "gunicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
}


def post_worker_init(worker: Any) -> None:
    """Adjust garbage collection, and let live streams end when the worker ends, because it waits for open responses."""
    settle()
    from console.live.views import watcher  # only now Django is set up
    from moreh_cloud.metrics.recorder import Recorder
    from scheduler.logs import streams

    worker.recorder = Recorder("web")
    worker.recorder.start()
    watcher.serve_while(lambda: worker.alive)
    streams.serve_while(lambda: worker.alive)


def worker_exit(_server: Any, worker: Any) -> None:
    """Store what the process has counted."""
    if recorder := getattr(worker, "recorder", None):
        recorder.stop()
