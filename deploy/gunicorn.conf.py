"""Gunicorn: threads in one or more processes, and the product's own log lines instead of gunicorn's."""

import os
from typing import Any

from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moreh_cloud.settings")

wsgi_app = "moreh_cloud.wsgi"
bind = f"{settings.MOREH_HTTP_HOST}:{settings.MOREH_HTTP_PORT}"
worker_class = "gthread"
threads = 8
graceful_timeout = 30
control_socket_disable = True  # it would lie in the home folder, shared by all installations of a user
logconfig_dict: dict[str, Any] = dict(settings.LOGGING)
logconfig_dict["loggers"] = {
    **logconfig_dict["loggers"],
    "gunicorn.error": {"handlers": [], "level": "INFO", "propagate": True},
    # No access log: request lines may hold tokens, and the proxy in front writes one.
    "gunicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
}
