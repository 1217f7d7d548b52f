"""The right of a power action to ask its BMC, and storing what is known of the action while the database is away."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog
from django.db import close_old_connections

from backends.services.bmc_requests import TakenBmcs, take_bmcs
from backends.services.power import PowerLease
from core.clock import db_now
from core.outages import DATABASE_ERRORS, is_outage

log = structlog.get_logger(__name__)
STORE_AGAIN = 0.5  # seconds until what the database could not store is tried again
ASK_AGAIN = 0.1  # seconds until a BMC that another process asks is tried again


def store(lease: PowerLease, write: Callable[[], object]) -> None:
    """Write what is known of an action; while the database cannot, try again as long as a lease lasts."""
    until = time.monotonic() + lease.duration().total_seconds()
    while True:
        try:
            write()
            return
        except DATABASE_ERRORS as error:
            if not is_outage(error) or time.monotonic() > until:
                raise
            log.warning("power_not_stored", action=lease.pk, error=type(error).__name__)
        close_old_connections()
        time.sleep(STORE_AGAIN)


@dataclass(slots=True)
class BmcSlot:
    """The BMC of an action, which nobody else may ask as long as the action has its lease."""

    lease: PowerLease
    backend_id: int
    _taken: TakenBmcs | None = None

    def take(self) -> None:
        """Wait until no other operation is outstanding at the BMC. Raises LeaseLost."""
        while not self._taken:
            store(self.lease, self.lease.prolong)
            taken = take_bmcs([self.backend_id], most=self.lease.duration(), paced=False)
            self._taken = taken if taken.ids else None
            if not self._taken:
                time.sleep(ASK_AGAIN)

    def prolong(self) -> None:
        """Keep lease and BMC for the duration of a lease from now. Raises LeaseLost."""
        self.lease.prolong()
        if self._taken:
            self._taken = self._taken.prolong(db_now() + self.lease.duration())

    def give_back(self) -> None:
        """Let others ask the BMC, if the database can store it; else they wait until the lease would have ended."""
        with suppress(*DATABASE_ERRORS):
            if self._taken:
                self._taken.give_back()
