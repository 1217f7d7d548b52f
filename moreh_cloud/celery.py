"""The Celery application: tasks are wake-ups, the state is in rows."""

import os
import socket
from contextlib import suppress
from functools import partial
from typing import Any

from celery import Celery, Task
from celery.signals import (
    before_task_publish,
    celeryd_after_setup,
    task_prerun,
    task_success,
    worker_init,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from kombu.exceptions import OperationalError

from core.measures import DURATIONS, Counter, Histogram
from core.repeats import repeated
from core.request_ids import carrying_out, current_request
from core.waits import bound_lock_waits
from moreh_cloud.memory import settle

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moreh_cloud.settings")


REQUEST = "moreh_request"  # a header of messages
DURATIONS_OF_TASKS = Histogram("moreh_task_duration_seconds", "Durations of background tasks.", ("task",), DURATIONS)
TASKS = Counter("moreh_tasks_total", "Background tasks that were carried out, by outcome.", ("task", "outcome"))


class RepeatedTask(Task[..., object]):
    """A task that is repeated at once when the database rolled it back so that another transaction could go on."""

    def __call__(self, *args: Any, **kwargs: Any) -> object:
        outcome = "failed"
        try:
            with carrying_out((self.request.headers or {}).get(REQUEST, "")), DURATIONS_OF_TASKS.timed(self.name):
                done = repeated(partial(self.run, *args, **kwargs))
            outcome = "done"
        finally:
            TASKS.add(self.name, outcome)
        return done


app: "Celery[Task[..., Any]]" = Celery("moreh_cloud", task_cls=RepeatedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@before_task_publish.connect
def pass_on_request(headers: dict[str, Any], **_more: object) -> None:
    """Send the id of the request along."""
    if request := current_request():
        headers[REQUEST] = request


@worker_init.connect
def bound_waits(**_more: object) -> None:
    """A lock that somebody holds for long must not keep all threads of a worker."""
    bound_lock_waits()


@worker_ready.connect
def settle_down(**_more: object) -> None:
    """All that a worker needs is loaded."""
    settle()


@worker_ready.connect
def look_at_once(sender: Any, **_more: object) -> None:
    """Read the power of all BMCs when a power worker starts, instead of at the next beat."""
    if "power" in sender.app.amqp.queues.consume_from:
        with suppress(OperationalError):
            sender.app.send_task("backends.tasks.sweep_power", queue="power", expires=20, retry=False)


QUEUES = {"celery": "worker", "power": "power worker", "outbox": "outbox worker"}  # the queue of each kind of process


@celeryd_after_setup.connect
def step_in(sender: str, instance: Any, **_more: object) -> None:
    """Record signs of life from now on, and carry out what no broker delivers."""
    from moreh_cloud.fallback import Fallback  # Django is set up only now
    from moreh_cloud.metrics.recorder import Recorder

    queues = [name for name in QUEUES if name in instance.app.amqp.queues.consume_from]
    kinds = [QUEUES[name] for name in queues]
    fallback = Fallback(sender.partition("@")[0], queues, kinds, threads=4)
    fallback.start()
    recorder = Recorder(kinds[0] if kinds else "worker")
    recorder.start()
    worker_shutting_down.connect(lambda **_more: fallback.stop(), weak=False)
    worker_shutdown.connect(lambda **_more: recorder.stop(), weak=False)


@task_prerun.connect
def note_begun(task: Task[..., object], **_more: object) -> None:
    """Record that periodic work was begun, so that no other process begins it."""
    _note(task, "record_begin")


@task_success.connect
def note_done(sender: Task[..., object], **_more: object) -> None:
    """Record that periodic work was done."""
    _note(sender, "record_alive")


def _note(task: Task[..., object], verb: str) -> None:
    from core.outages import DATABASE_ERRORS
    from liveness import services

    periodic = {entry["task"]: name for name, entry in app.conf.beat_schedule.items()}
    if name := periodic.get(task.name):
        with suppress(*DATABASE_ERRORS):
            getattr(services, verb)(name, by=f"worker@{socket.gethostname()}")
