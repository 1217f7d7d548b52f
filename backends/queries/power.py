"""BMCs, their power readings, and power actions that wait."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Count, F, Max, Q, QuerySet, When

from backends.choices import UNDER_WAY, PowerStatus
from backends.models import Bmc, PowerAction
from core.lease import not_leased

NO_LOGIN_YET = Q(user="", password="", backend__enrolmentkey__isnull=False)


def reported_off_at(bmc: str = "bmc") -> Case:
    """Return an expression for the time of the last power reading if it was OFF, else NULL."""
    return Case(When(**{f"{bmc}__status": PowerStatus.OFF}, then=F(f"{bmc}__checked_at")))


def bmcs() -> QuerySet[Bmc]:
    """Return the BMCs that have an address, of nodes that are not deleted."""
    return Bmc.objects.filter(ip__isnull=False, backend__deleted_at__isnull=True)


def bmcs_to_check(before: datetime) -> QuerySet[Bmc]:
    """Return the BMCs whose last power reading is older than this time, or that have none; the oldest first.

    Those of enrolled nodes to which nobody has given a login are left out: their nodes reported their addresses.
    """
    stale = Q(checked_at__lt=before) | Q(checked_at__isnull=True)
    return bmcs().filter(stale).exclude(NO_LOGIN_YET).order_by("checked_at")


def due_actions(now: datetime) -> list[int]:
    """Return the ids of the power actions under way that nobody has the lease of and whose turn it is, oldest first."""
    turn = Q(power_on_at=None) | Q(power_on_at__lte=now)
    due = PowerAction.objects.filter(not_leased(now), turn, state__in=UNDER_WAY)
    return list(due.order_by("pk").values_list("pk", flat=True))


def bmcs_to_monitor(before: datetime, most: int, free: Q) -> list[Bmc]:
    """Return at most `most` BMCs that answer, are `free` and whose sensors were read before this time; oldest first."""
    stale = Q(monitored_at__lt=before) | Q(monitored_at__isnull=True)
    found = (
        bmcs().filter(stale, free, error="").exclude(checked_at=None).order_by(F("monitored_at").asc(nulls_first=True))
    )
    return list(found[:most])


@dataclass(frozen=True, slots=True)
class BmcCounts:
    """How many BMCs last reported on or off, how many have no valid reading, and the time of the latest reading.

    `driver_lost`: for every BMC the driver process was lost.
    """

    on: int
    off: int
    unreachable: int
    driver_lost: bool
    latest: datetime | None


def bmc_counts() -> BmcCounts:
    """Count BMCs by their last power reading, in one query."""
    answers = Q(error="")
    found = bmcs().aggregate(
        all=Count("pk"),
        on=Count("pk", filter=answers & Q(status=PowerStatus.ON)),
        off=Count("pk", filter=answers & Q(status=PowerStatus.OFF)),
        lost=Count("pk", filter=Q(error="DRIVER_LOST")),
        latest=Max("checked_at"),
    )
    rest = found["all"] - found["on"] - found["off"]
    return BmcCounts(found["on"], found["off"], rest, 0 < found["all"] == found["lost"], found["latest"])


def has_bmcs() -> bool:
    """Whether any node has a BMC."""
    return bmcs().exists()


def bmcs_to_probe(most: int) -> list[Bmc]:
    """Return at most `most` BMCs that answer and have not been tested for weak authentication."""
    unknown = bmcs().filter(weak=None, error="")
    return list(unknown.exclude(status=PowerStatus.UNKNOWN).order_by("pk")[:most])
