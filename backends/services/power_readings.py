"""Power readings: what BMCs report, and what the product learns about their logins."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from alerts.choices import Category, Level, SubjectKind
from alerts.codes import Code
from alerts.queries import open_ids
from alerts.services import NewAlert, clear_alert, clear_alerts, raise_alert, raise_alerts
from alerts.subjects import node
from backends.choices import POWER_CAUSES, PowerStatus
from backends.models import Bmc
from backends.power.drivers import DRIVERS
from backends.power.logins import recent_wrong
from backends.signals import power_reported_off
from core.bulk import update_rows
from core.clock import db_now, from_ms, to_ms

FEW = 20  # nodes that are off, in one transaction


@dataclass(frozen=True, slots=True)
class PowerReading:
    """What a BMC reported: its power state, or UNKNOWN with `error`, the code of the reason why it did not answer."""

    status: PowerStatus
    error: str = ""


def store_power_readings(readings: Mapping[int, PowerReading], *, at: datetime) -> None:
    """Store the readings of many BMCs, by backend id; nodes that are off go out of service in the same transaction.

    `at` is the time before the BMCs were asked. A stored reading of a later time stays. Only a few nodes that are off
    share a transaction, because each may end many jobs.
    """
    off = [pk for pk, reading in readings.items() if reading.status == PowerStatus.OFF]
    rest = {pk: reading for pk, reading in readings.items() if reading.status != PowerStatus.OFF}
    for ids in (list(rest), *(off[start : start + FEW] for start in range(0, len(off), FEW))):
        if ids:
            _store({pk: readings[pk] for pk in ids}, at)


@transaction.atomic
def _store(readings: Mapping[int, PowerReading], at: datetime) -> None:
    # A time in the future is of no reading: the clock was wrong, or the row is.
    not_newer = Q(checked_at__lte=at) | Q(checked_at__gt=db_now()) | Q(checked_at=None)
    live = Bmc.objects.filter(not_newer, ip__isnull=False, backend__deleted_at__isnull=True)
    rows = live.select_for_update(of=("self",)).order_by("pk").in_bulk(readings)
    _update_alerts(rows, readings)
    values = ((pk, readings[pk].status.value, readings[pk].error[:255], at) for pk in rows)
    update_rows(Bmc, ("status", "error", "checked_at"), values)
    if off := [pk for pk in rows if readings[pk].status == PowerStatus.OFF]:
        power_reported_off.send(Bmc, backend_ids=off)


def _update_alerts(bmcs: Mapping[int, Bmc], readings: Mapping[int, PowerReading]) -> None:
    """Raise the alert with the second reading in a row that fails, and clear it with the second that succeeds."""
    confirmed = {pk: bmc for pk, bmc in bmcs.items() if bool(bmc.error) == bool(readings[pk].error)}
    if not confirmed:
        return
    alerted = open_ids(Category.BMC_UNREACHABLE, SubjectKind.NODE)
    raise_alerts(
        NewAlert(Code.BMC_UNREACHABLE, node(pk), _params(bmc, readings[pk].error))
        for pk, bmc in confirmed.items()
        if bmc.error and pk not in alerted
    )
    answers = {pk for pk, bmc in confirmed.items() if not bmc.error}
    clear_alerts(Category.BMC_UNREACHABLE, map(node, answers & alerted))


def _params(bmc: Bmc, code: str) -> dict[str, object]:
    return {"bmc": str(bmc), "cause": code, "error": POWER_CAUSES.get(code, code)}


@transaction.atomic
def record_wrong_login(backend_id: int) -> None:
    """Store the time of one more wrong login with those of the recent ones, from which the limit is computed."""
    bmc, now = Bmc.objects.select_for_update().get(pk=backend_id), db_now()
    recent = recent_wrong(map(from_ms, bmc.wrong_logins), now)
    Bmc.objects.filter(pk=backend_id).update(wrong_logins=[to_ms(at) for at in (*recent, now)])


@transaction.atomic
def store_weakness(bmc: Bmc, *, weak: bool) -> None:
    """Store whether a BMC accepts commands without a password, and raise or clear the alert.

    Nothing is stored if the node's BMC has another address or driver by now.
    """
    if not Bmc.objects.filter(pk=bmc.pk, ip=bmc.ip, port=bmc.port, driver=bmc.driver).update(weak=weak):
        return
    if weak:
        weakness = DRIVERS[bmc.driver].weakness
        raise_alert(Code.BMC_WEAK, node(bmc.pk), level=Level.CRITICAL, bmc=str(bmc), weakness=weakness)
    else:
        clear_alert(Category.BMC_WEAK, node(bmc.pk))


def reset_weakness(bmc: Bmc) -> None:
    """Mark a BMC as not tested for weak authentication, so that the next probe tests it."""
    Bmc.objects.filter(pk=bmc.pk).update(weak=None)
