"""The Celery application: tasks are doorbells, the state is in rows."""

import os
from contextlib import suppress
from typing import Any

from celery import Celery
from celery.signals import worker_ready
from kombu.exceptions import OperationalError

from moreh_cloud.lib.memory import settle

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moreh_cloud.settings")
app = Celery("moreh_cloud")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_ready.connect
def settle_down(**_more: object) -> None:
    """All that a worker needs is loaded."""
    settle()


@worker_ready.connect
def look_at_once(sender: Any, **_more: object) -> None:
    """Have a power worker look at the BMCs when it comes, instead of at beat's next round."""
    if "power" in sender.app.amqp.queues.consume_from:
        with suppress(OperationalError):
            sender.app.send_task("backends.tasks.sweep_power", queue="power", expires=20, retry=False)
