"""What workers carry out: power readings of the whole fleet, and probes."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta

from django.conf import settings

from backends.choices import PowerStatus
from backends.models import Bmc
from backends.power.driver import PowerState
from backends.power.errors import PowerError, WrongLogin
from backends.power.logins import require_login_allowed
from backends.queries import bmcs_to_check, bmcs_to_probe
from backends.services.bmc_requests import TakenBmcs, take_bmcs
from backends.services.power_readings import (
    PowerReading,
    record_wrong_login,
    store_power_readings,
    store_weakness,
)
from backends.work.drivers import login_of, pool, wrong_logins
from core.apart import each_apart, many_apart
from core.clock import db_now

SPARE = timedelta(seconds=15)  # to store what came at the deadline
PROBES = 20  # BMCs that one task probes for weak authentication
Result = tuple[int, PowerState | PowerError]
"""The id of a backend, and what its BMC answered or why it did not."""


def sweep_power() -> None:
    """Read the power of every BMC whose last reading is older than MOREH_POWER_FRESH, all at once.

    Results are stored as they come, so that silent BMCs do not delay the others.
    """
    stale = {bmc.pk: bmc for bmc in bmcs_to_check(db_now() - settings.MOREH_POWER_FRESH)}
    taken = take_bmcs(stale, most=settings.MOREH_POWER_DEADLINE + SPARE)
    try:
        _sweep({pk: bmc for pk, bmc in stale.items() if pk in taken.ids}, taken)
    finally:
        taken.give_back()


def _sweep(stale: dict[int, Bmc], taken: TakenBmcs) -> None:
    refused: list[Result] = []
    batches = _read_power(stale, refused)
    asked_at = db_now()  # all are asked after this time

    def store(results: Sequence[Result]) -> None:
        store_power_readings({pk: _reading(result) for pk, result in results}, at=asked_at)

    many_apart(refused, store, "power_not_stored")
    for results in batches:
        wrong = [pk for pk, result in results if isinstance(result, WrongLogin)]
        each_apart(wrong, record_wrong_login, "wrong_login_not_stored")
        many_apart(results, store, "power_not_stored")
        taken.give_back([pk for pk, _ in results])


def _reading(result: PowerState | PowerError) -> PowerReading:
    if isinstance(result, PowerError):
        return PowerReading(PowerStatus.UNKNOWN, result.code)
    return PowerReading(PowerStatus(result))


def _read_power(stale: dict[int, Bmc], refused: list[Result]) -> Iterator[list[Result]]:
    """Yield the results of BMCs as they come; those that may not be asked are in `refused` at once."""
    logins = []
    now = db_now()
    for pk, bmc in stale.items():
        try:
            require_login_allowed(wrong_logins(bmc), now)
            logins.append((pk, login_of(bmc)))
        except PowerError as error:
            refused.append((pk, error))
    return pool().sweep(logins, settings.MOREH_POWER_DEADLINE.total_seconds())


def probe_bmcs() -> None:
    """Test which BMCs accept commands without a password, some at a time: each once, and again after a reconnect."""
    each_apart(bmcs_to_probe(PROBES), _probe, "probe_failed")


def _probe(bmc: Bmc) -> None:
    taken = take_bmcs([bmc.pk], most=settings.MOREH_POWER_DEADLINE)
    if not taken.ids:
        return
    with suppress(PowerError):
        store_weakness(bmc, weak=pool().accepts_weak_auth(login_of(bmc)))
    taken.give_back()
