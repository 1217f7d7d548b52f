"""Stores what this process counts, every few seconds, so that each web server tells the counts of all processes."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from resource import getpagesize
from threading import Event, Thread
from time import perf_counter
from typing import Any
from uuid import uuid4

import structlog
from django.db import connection, connections
from django.db.backends.signals import connection_created

from core.measures import Counter, Counts, Gauge, Histogram, snapshot, without
from core.outages import DATABASE_ERRORS
from liveness.services import add_process, add_up_ended, store_counts

log = structlog.get_logger(__name__)
EVERY = 10.0  # seconds
ADD_UP = 30  # rounds
VERBS = frozenset({"BEGIN", "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "SAVEPOINT", "RELEASE", "ROLLBACK"})
STATEMENTS = Histogram(
    "moreh_database_statement_duration_seconds",
    "Durations of statements of the database, by their first word.",
    ("verb",),
    (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0),
)
MEMORY = Gauge("moreh_process_resident_memory_bytes", "Memory of the processes of a kind.")
POOL = Gauge("moreh_database_pool_connections", "Connections to the database in the pools of processes.", ("state",))
POOL_MOST = Gauge("moreh_database_pool_limit", "Connections that the pools of processes may have at most.")
POOL_WAITING = Gauge("moreh_database_pool_waiting", "Threads that wait for a connection to the database.")


class Recorder:
    """A thread that stores the counts of a process of some kind."""

    def __init__(self, process: str) -> None:
        self._process, self._id, self._new = process, uuid4(), True
        self._base: Counts = {}  # what another row of this process tells already
        self._stored: Counts = {}
        self._stop, self._well, self._rounds = Event(), True, 0
        self._thread = Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Measure the statements of this process from now on, and store what it counts."""
        connection_created.connect(measure_statements)
        self._thread.start()

    def stop(self) -> None:
        """Store what has been counted, and end."""
        self._stop.set()
        self._thread.join(5)

    def store(self) -> None:
        """Store what was counted until now."""
        _measure_process()
        counts = snapshot((Counter, Histogram))
        if self._new:
            add_process(self._id, self._process)
            self._new = False
        if not store_counts(self._id, without(counts, self._base), snapshot(Gauge)):
            # It was paused for so long that its counts were added to those of ended processes.
            self._id, self._base = uuid4(), self._stored
            add_process(self._id, self._process)
            store_counts(self._id, without(counts, self._base), snapshot(Gauge))
        self._stored = counts

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            self.try_to_store()
        self.try_to_store()

    def try_to_store(self) -> None:
        """Store what was counted, and now and then add up what ended processes have; log when that begins to fail."""
        try:
            self.store()
            if self._rounds % ADD_UP == 0:
                add_up_ended()
            self._rounds += 1
            self._well = True
        except Exception as error:
            if self._well:
                where = None if isinstance(error, DATABASE_ERRORS) else error  # of an outage its name says enough
                log.warning("counts_not_stored", error=type(error).__name__, exc_info=where)
            self._well = False
        finally:
            connections.close_all()


def measure_statements(connection: Any, **_signal: object) -> None:
    """Measure each statement of a connection."""
    if _timed not in connection.execute_wrappers:
        connection.execute_wrappers.append(_timed)


def _timed(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    begin = perf_counter()
    try:
        return execute(sql, params, many, context)
    finally:
        word = str(sql)[:40].split(None, 1)[:1]
        verb = word[0].upper() if word else ""
        STATEMENTS.add(verb if verb in VERBS else "OTHER", value=perf_counter() - begin)


def _measure_process() -> None:
    with suppress(OSError):
        MEMORY.put(number=float(Path("/proc/self/statm").read_text().split()[1]) * getpagesize())
    pool = getattr(connection, "pool", None)
    if pool is not None:
        has = pool.get_stats()
        free = has.get("pool_available", 0)
        POOL.put("idle", number=free)
        POOL.put("used", number=has.get("pool_size", 0) - free)
        POOL_MOST.put(number=has.get("pool_max", 0))
        POOL_WAITING.put(number=has.get("requests_waiting", 0))
