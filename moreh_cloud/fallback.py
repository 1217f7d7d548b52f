"""Work of beat and the workers, carried out by another process while they are away (ADR 0021)."""

import socket
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

import structlog
from celery import Task
from django.apps import apps
from django.conf import settings
from django.db import connections
from django.utils.module_loading import module_has_submodule

from core import wakeups
from core.outages import DATABASE_ERRORS
from liveness.queries import NEVER, Heartbeat, heartbeats
from liveness.services import record_alive, record_done, take_over

log = structlog.get_logger(__name__)
ROUND = 2.0  # seconds
PERIODS, MARGIN = 2, 8.0  # work is overdue after so many of its periods and so many seconds
LEFT_OUT = frozenset({"look_ahead"})  # estimates are kept by the broker's server


class Fallback:
    """Find overdue periodic work of its queues, in one query a round, and do it in threads of its own.

    `processes` are the kinds of process that this one is, whose heartbeats it records.
    """

    def __init__(
        self, process: str, queues: Collection[str], processes: Collection[str] = (), threads: int = 2
    ) -> None:
        self._by = f"{process}@{socket.gethostname()}"[:128]
        self._queues, self._processes = frozenset(queues), tuple(processes)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="fallback")
        self._under_way: set[str | tuple[str | int, ...]] = set()
        self._lock, self._stop = Lock(), Event()
        self._begun, self._well, self._stepped_in = monotonic(), True, False

    def start(self) -> None:
        """Start the rounds, and carry out what this process enqueues and no broker takes."""
        wakeups.carry_out_with(self.carry_out)
        Thread(target=self._run, name="fallback", daemon=True).start()

    def stop(self) -> None:
        """Start no more work."""
        wakeups.carry_out_with(None)
        self._stop.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def carry_out(self, task: Task[..., object], ids: Mapping[str, int]) -> bool:
        """Carry out a task here, if it belongs to a queue of this process; return whether it is under way."""
        if _queue_of(task.name, {}) not in self._queues:
            return False
        self._submit((task.name, *ids.values()), partial(task, **ids))
        return True

    def _run(self) -> None:
        while not self._stop.wait(ROUND):
            try:
                self.run_once()
                self._well = True
            except Exception as error:
                if self._well:
                    log.warning("fallback_failed", error=type(error).__name__, exc_info=_strange(error))
                self._well = False
            finally:
                connections.close_all()

    def run_once(self) -> None:
        """Record the heartbeats of this process, and start what is overdue."""
        known = heartbeats()
        for name in self._processes:
            if not known.get(name, NEVER).within(ROUND):
                record_alive(name, by=self._by)
        for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
            if name not in LEFT_OUT and _queue_of(entry["task"], entry["options"]) in self._queues:
                self._step_in(name, entry, known.get(name, NEVER))

    def _step_in(self, name: str, entry: Mapping[str, Any], seen: Heartbeat) -> None:
        if name in self._under_way or not self._is_overdue(seen, entry["schedule"]):
            return
        if not take_over(name, seen.begun_at, by=self._by):
            return
        if not seen.fallback:
            log.warning("stepped_in", work=name, by=self._by)
        self._submit(name, partial(_do, name, entry["task"]))

    def _is_overdue(self, seen: Heartbeat, period: float) -> bool:
        if seen.fallback and seen.begun is not None:
            return seen.begun >= period
        age = monotonic() - self._begun  # after a start, the other processes may still be starting
        return min(age, age if seen.begun is None else seen.begun) >= PERIODS * period + MARGIN

    def _submit(self, key: str | tuple[str | int, ...], work: Callable[[], object]) -> None:
        with self._lock:
            if key in self._under_way or self._stop.is_set():
                return
            self._under_way.add(key)
        with suppress(RuntimeError):  # stopped meanwhile
            self._threads.submit(self._carry_out, key, work)

    def _carry_out(self, key: str | tuple[str | int, ...], work: Callable[[], object]) -> None:
        if isinstance(key, tuple):  # a wake-up: a change from now on needs another run
            self._under_way.discard(key)
        try:
            work()
        except Exception as error:
            log.warning("fallback_failed", work=str(key), error=type(error).__name__, exc_info=_strange(error))
        finally:
            self._under_way.discard(key)
            connections.close_all()


@cache
def _tasks() -> Mapping[str, Task[..., object]]:
    """Return all tasks by their names, which stay when their modules move."""
    configs = [config for config in apps.get_app_configs() if module_has_submodule(config.module, "tasks")]
    found = [one for config in configs for one in vars(import_module(f"{config.name}.tasks")).values()]
    return {one.name: one for one in found if isinstance(one, Task)}


def _do(name: str, task: str) -> None:
    _tasks()[task]()
    record_done(name)


def _queue_of(task: str, options: Mapping[str, Any]) -> str:
    """Return the queue of a task."""
    route = settings.CELERY_TASK_ROUTES.get(task, {})
    return str(options.get("queue") or route.get("queue") or settings.CELERY_TASK_DEFAULT_QUEUE)


def _strange(error: Exception) -> Exception | None:
    """Return an error whose trace is of use; of an outage its name says enough."""
    return None if isinstance(error, DATABASE_ERRORS) else error
