"""Hours that were closed are counted again after history was added to them."""

from datetime import datetime, timedelta

import pytest

from moreh_cloud.events.models import Event
from moreh_cloud.lib.clock import db_now
from scheduler.models import Allocation
from tests import make
from usage.calendar import HOUR
from usage.models import ClosedHour, UsageHour
from usage.proof import prove
from usage.services import close_hours, recount_hours, settled_until

pytestmark = pytest.mark.django_db


def _hold(start: datetime, end: datetime) -> None:
    sda = make.sda()
    device = make.backend(1).devices.get()
    Allocation.objects.create(sda=sda, token=sda.token, device=device, started_at=start, ended_at=end)


def test_a_closed_hour_takes_in_what_was_added_and_others_stay() -> None:
    start = settled_until() - 10 * HOUR
    _hold(start, start + 10 * HOUR)
    close_hours()
    untouched = ClosedHour.objects.get(hour=start + 5 * HOUR).closed_at
    added = start + timedelta(minutes=30)
    _hold(added, added + HOUR)
    assert len(prove().differences) == 6  # two hours, each of the token, of its kind and in all
    assert recount_hours(added, added + HOUR, actor=make.ACTOR) == 2
    assert prove().differences == []
    totals = ClosedHour.objects.order_by("hour").values_list("device_ms", flat=True)
    assert list(totals) == [5_400_000, 5_400_000] + [3_600_000] * 8
    assert ClosedHour.objects.get(hour=start + 5 * HOUR).closed_at == untouched
    assert Event.objects.get(action="RECOUNT_USAGE").request == {
        "start": start.isoformat(),
        "end": (start + 2 * HOUR).isoformat(),
    }


def test_again_gives_the_same() -> None:
    start = settled_until() - 3 * HOUR
    _hold(start, start + timedelta(milliseconds=7))
    assert [recount_hours(start, start + HOUR, actor=make.ACTOR) for _ in range(2)] == [1, 1]
    assert list(UsageHour.objects.values_list("hour", "device_ms")) == [(start, 7)]
    assert close_hours() == 2
    assert prove().differences == []


def test_an_hour_that_is_not_over_stays_open() -> None:
    now = db_now()
    _hold(settled_until() - HOUR, now)
    assert recount_hours(settled_until() - HOUR, now, actor=make.ACTOR) == 1
    assert ClosedHour.objects.count() == 1


def test_weeks_are_counted_in_pieces_that_fit_together() -> None:
    start = settled_until() - timedelta(days=20)
    _hold(start, start + timedelta(days=16))
    assert recount_hours(start, start + timedelta(days=16), actor=make.ACTOR) == 16 * 24
    assert set(UsageHour.objects.values_list("device_ms", flat=True)) == {3_600_000}
    assert UsageHour.objects.count() == 16 * 24
    assert prove().differences == []
