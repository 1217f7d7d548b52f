"""What workers carry out: readings of sensors and event logs, when asked for and now and then; and clearing a log."""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction

from backends.choices import ActionState, PowerVerb
from backends.models import Bmc, PowerAction
from backends.power.errors import LogGrows, PowerError, WrongLogin
from backends.power.login import BmcLogin
from backends.power.logins import require_login_allowed
from backends.power.monitoring import LogMark, LogPortion, SensorReading
from backends.power.pool import READ_TIMEOUT, DriverPool
from backends.queries import bmcs_to_monitor
from backends.services.bmc_requests import TakenBmcs, free_bmcs, take_bmcs
from backends.services.monitoring import log_mark, record_monitor_error, store_log, store_sensors
from backends.services.power import PowerLease, end_action
from backends.services.power_readings import record_wrong_login
from backends.work.drivers import login_of, pool, wrong_logins
from backends.work.slot import BmcSlot, store
from core.apart import each_apart
from core.clock import db_now

TOGETHER, THREADS = 64, 16  # BMCs that are taken at once, and asked at once
RUN_FOR = 45.0  # seconds; the BMCs that are left are read by the next task
MOST_PORTIONS = 8  # of a log in one reading; the rest is read the next time
CLEAR_TRIES = 3
LONGEST = timedelta(seconds=READ_TIMEOUT * (2 + MOST_PORTIONS))


@dataclass(slots=True)
class BmcReport:
    """What one reading of a BMC brought; `error` is why it ended early."""

    at: datetime
    sensors: list[SensorReading] | None = None
    portions: list[LogPortion] = field(default_factory=list)
    error: PowerError | None = None


def _ask(drivers: DriverPool, login: BmcLogin, mark: LogMark | None, at: datetime) -> BmcReport:
    """Read sensors and the log after `mark`, without the database, so that many threads may do it."""
    report = BmcReport(at)
    try:
        report.sensors = drivers.sensors(login)
        until = time.monotonic() + READ_TIMEOUT
        while len(report.portions) < MOST_PORTIONS and time.monotonic() < until:
            portion = drivers.log(login, mark)
            report.portions.append(portion)
            if not portion.more or not portion.entries:
                break
            mark = portion.entries[-1].mark
    except PowerError as error:
        report.error = error
    return report


@transaction.atomic
def _store_report(backend_id: int, report: BmcReport) -> None:
    if report.sensors is not None:
        store_sensors(backend_id, report.sensors, at=report.at)
    for portion in report.portions:
        store_log(backend_id, portion)
    if report.error:
        record_monitor_error(backend_id, report.error.code, at=report.at)
    if isinstance(report.error, WrongLogin):
        record_wrong_login(backend_id)


def monitor(slot: BmcSlot, action: PowerAction) -> PowerError | None:
    """Read a BMC, or clear its log once all its entries are stored; return why it was not done. Raises LeaseLost."""
    bmc = action.backend.bmc
    require_login_allowed(wrong_logins(bmc), db_now())
    login = login_of(bmc, action.user, action.password)
    if action.command == PowerVerb.READ:
        report = _ask(pool(), login, log_mark(bmc), db_now())
        store(slot.lease, lambda: _store_report(bmc.pk, report))
        return report.error
    return _clear(slot, bmc, login)


def _clear(slot: BmcSlot, bmc: Bmc, login: BmcLogin) -> PowerError | None:
    for _ in range(CLEAR_TRIES):
        mark = _store_all(slot, bmc, login)
        if pool().clear_log(login, mark):
            return None
    return LogGrows("the log got new entries each time")


def _store_all(slot: BmcSlot, bmc: Bmc, login: BmcLogin) -> LogMark | None:
    """Store the entries of a log that are not stored yet, and return the last one.

    Raises LogGrows if the BMC begins anew again and again, because it does not know the entries that it has shown.
    """
    bmc.refresh_from_db()
    mark, more, begun = log_mark(bmc), True, Counter[str]()
    while more:
        store(slot.lease, slot.prolong)
        portion = pool().log(login, mark)
        store(slot.lease, lambda portion=portion: store_log(bmc.pk, portion))  # type: ignore[misc]
        more = portion.more and bool(portion.entries)
        if portion.entries:
            mark = portion.entries[-1].mark
            begun[portion.entries[0].record] += 1
        if max(begun.values(), default=0) > CLEAR_TRIES:
            raise LogGrows("the log begins anew each time that it is read on")
    return mark


def end_monitoring(lease: PowerLease, action: PowerAction, error: PowerError | None) -> None:
    """End a reading or a clearing."""
    if isinstance(error, WrongLogin) and action.command != PowerVerb.READ:
        record_wrong_login(action.backend_id)
    if error:
        end_action(lease, ActionState.FAILED, code=error.code, message=str(error))
    else:
        end_action(lease, ActionState.SUCCEEDED)


def monitor_bmcs() -> None:
    """Read sensors and logs of the BMCs that were not read for MOREH_SENSORS_EVERY, some at a time."""
    every: timedelta = settings.MOREH_SENSORS_EVERY
    until = time.monotonic() + RUN_FOR
    while every and time.monotonic() < until:
        due = bmcs_to_monitor(db_now() - every, TOGETHER, free_bmcs(db_now()))
        taken = take_bmcs([bmc.pk for bmc in due], most=LONGEST)
        if not taken.ids:
            return
        try:
            _read_together([bmc for bmc in due if bmc.pk in taken.ids], taken)
        finally:
            taken.give_back()


def _read_together(due: Sequence[Bmc], taken: TakenBmcs) -> None:
    """Read BMCs in some threads, and store each report as it comes."""
    drivers, at = pool(), db_now()
    with ThreadPoolExecutor(THREADS) as threads:
        asked = [threads.submit(_ask_stored, drivers, bmc, at) for bmc in due]
        for future in as_completed(asked):
            pk, report = future.result()
            each_apart([pk], partial(_store_report, report=report), "sensors_not_stored")
            taken.give_back([pk])


def _ask_stored(drivers: DriverPool, bmc: Bmc, at: datetime) -> tuple[int, BmcReport]:
    try:
        require_login_allowed(wrong_logins(bmc), at)
        return bmc.pk, _ask(drivers, login_of(bmc), log_mark(bmc), at)
    except PowerError as error:
        return bmc.pk, BmcReport(at, error=error)
