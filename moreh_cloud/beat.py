"""The scheduler of Celery beat: it takes its schedule from the settings and records signs of life."""

import socket
from contextlib import suppress
from typing import Any

import structlog
from celery.beat import Scheduler

from core.outages import DATABASE_ERRORS
from liveness.queries import BEAT, NEVER, heartbeats
from liveness.services import record_alive

log = structlog.get_logger(__name__)


class SteadyScheduler(Scheduler):
    """Send the periodic tasks of the settings; no row and no file can switch one off (ADR 25).

    A broker that is away is logged once. Celery logs two traces for each message that it cannot send: 3 MB in three
    minutes.
    """

    _well = True

    def setup_schedule(self) -> None:
        """Continue from the last begin of each work, so that a beat that restarts often still sends rare tasks."""
        known = {}
        with suppress(*DATABASE_ERRORS):
            known = dict(heartbeats())
        entries = self.app.conf.beat_schedule.items()
        begun = {name: known.get(name, NEVER).begun_at for name, _entry in entries}
        self.update_from_dict({name: {**entry, "last_run_at": begun[name]} for name, entry in entries})

    def tick(self, *args: Any, **more: Any) -> float:
        """Record a heartbeat, then send what is due."""
        with suppress(*DATABASE_ERRORS):
            record_alive(BEAT, by=f"{BEAT}@{socket.gethostname()}")
        return float(super().tick(*args, **more))

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send what an entry asks for; what cannot be sent is asked for again when it is due next."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except Exception as error:
            if self._well:
                log.warning("broker_lost", error=type(error).__name__, reason=str(error))
            self._well = False
        else:
            if not self._well:
                log.warning("broker_found")
            self._well = True
