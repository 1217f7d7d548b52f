"""What a BMC may be asked, whoever asks: one operation at a time, and MOREH_BMC_REQUESTS_PER_MINUTE of them.

The firmware of BMCs is slow, and some of it fails under load. An operation is a power action, or one reading of power,
of sensors with the log, or a probe. Who takes a BMC gives it back, or loses it at the time until which it was taken.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from backends.errors import BmcAskedTooOften
from backends.models import Bmc
from core.bulk import update_rows
from core.clock import db_now

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class TakenBmcs:
    """BMCs that this process alone may ask until a time."""

    ids: frozenset[int]
    until: datetime

    def prolong(self, until: datetime) -> "TakenBmcs":
        """Keep them until a later time; return those that were kept."""
        mine = Bmc.objects.filter(pk__in=self.ids, busy_until=self.until)
        return TakenBmcs(self.ids if mine.update(busy_until=until) else frozenset(), until)

    def give_back(self, ids: Collection[int] | None = None) -> None:
        """Let others ask them, or some of them, at once."""
        wanted = self.ids if ids is None else ids
        Bmc.objects.filter(pk__in=wanted, busy_until=self.until).update(busy_until=None)


def free_bmcs(now: datetime) -> Q:
    """Return a filter for BMCs with no operation outstanding and with an allowance for one more."""
    return _idle(now) & (Q(paced_until=None) | Q(paced_until__lte=now + MINUTE - _pace()))


@transaction.atomic
def take_bmcs(ids: Iterable[int], *, most: timedelta, paced: bool = True) -> TakenBmcs:
    """Take those BMCs that may be asked now, for at most `most`; the others are left out.

    Unless `paced`, a BMC without an allowance is taken too: what an operator has requested is carried out, and counts.
    """
    now = db_now()
    allowed = free_bmcs(now) if paced else _idle(now)
    rows = Bmc.objects.select_for_update().filter(allowed, pk__in=list(ids)).order_by("pk")
    found = list(rows.values_list("pk", "paced_until"))
    values = ((pk, now + most, max(paced_until or now, now) + _pace()) for pk, paced_until in found)
    update_rows(Bmc, ("busy_until", "paced_until"), values)
    return TakenBmcs(frozenset(pk for pk, _ in found), now + most)


def require_allowance(bmc: Bmc, now: datetime) -> None:
    """Raise BmcAskedTooOften, with the time to wait, if the BMC was asked too often lately."""
    over = (bmc.paced_until or now) - (now + MINUTE - _pace())
    if over > timedelta():
        raise BmcAskedTooOften(over.total_seconds())


def _idle(now: datetime) -> Q:
    return Q(busy_until=None) | Q(busy_until__lte=now)


def _pace() -> timedelta:
    """Return the time for which one request counts.

    Half of the allowance may be used at once and half of it grows again in a minute, so that no minute has more.
    """
    return 2 * MINUTE / settings.MOREH_BMC_REQUESTS_PER_MINUTE
