"""How many queries the admin's pages need: pinned, and the same for 5 rows and for 20."""

import os

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.choices import Role
from backends.models import Backend
from scheduler.models import Job
from tests.admin_world import address, client_of, nouns, populate
from tokens.models import Token
from usage.rollups.cover import SHORTEST_DAY, SHORTEST_MONTH

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]

POSTGRESQL = os.environ.get("DATABASE_URL", "").startswith("postgres")


def grains_of_this_month() -> int:
    """Return how many tables of closed periods the use of this month is read from: days, months."""
    now = timezone.localtime()
    passed = now - now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (passed >= SHORTEST_DAY) + (passed >= SHORTEST_MONTH)


# Three of each are the session, the operator and the saved filters; of live lists, one more what the page has seen.
LISTS = {
    "accounts.Operator": 5,
    "alerts.Alert": 14 if POSTGRESQL else 13,  # there the clock is a query
    "backends.Backend": 12,
    "backends.BackendGroup": 6,
    "backends.BmcLogEntry": 4,
    "backends.Device": 7,
    "backends.EnrolmentKey": 6,
    "backends.MaintenanceWindow": 5,
    "backends.Order": 4,
    "backends.PowerAction": 4,
    "backends.Sensor": 4,
    "billing.Budget": (9 if POSTGRESQL else 7) + grains_of_this_month(),  # there the clock is a query
    "billing.Price": 5,
    "billing.Statement": 6,
    "bulk.BulkAction": 6,
    "events.Event": 7,
    "inventory.CustomField": 5,
    "inventory.Tag": 5,
    "liveness.Sign": 5,
    "notifications.Rule": 6,
    "notifications.Silence": 9 if POSTGRESQL else 7,  # there the clock is a query
    "outbox.Attempt": 5,
    "outbox.Channel": 5,
    "outbox.Delivery": 5,
    "remediation.Repair": 8,
    "scheduler.Allocation": 4,
    "scheduler.Job": 6,
    "scheduler.Queue": 4,
    "scheduler.Worker": 4,
    "sda.Membership": 6,
    "sda.Sda": 7,
    "sda.SdaModel": 9,
    "sda.SdaModelGroup": 7,
    "subscriptions.Subscription": 5,
    "tokens.Token": 22 if POSTGRESQL else 20,  # there the clock is a query
    "tokens.TokenGroup": 5,
    "usage.ClosedDay": 4,
    "usage.ClosedHour": 4,
    "usage.ClosedMonth": 4,
}


def queries(browser: Client, page: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert browser.get(page).status_code == 200
    return len(seen)


def lists(browser: Client) -> dict[str, int]:
    return {model._meta.label: queries(browser, address(model, "changelist")) for model in nouns()}


def pages(browser: Client) -> list[int]:
    rows = (Backend.objects.first(), Job.objects.filter(status="WAITING").first(), Token.objects.first())
    shown = [queries(browser, address(type(row), "change", row.pk)) for row in rows if row]
    return [queries(browser, reverse("admin:index")), *shown]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_page_asks_more_for_more_rows() -> None:
    browser = client_of(Role.MASTER)
    populate(5)
    lists(browser), pages(browser)  # the first look also reads content types, once per process
    assert lists(browser) == LISTS
    few = pages(browser)
    populate(15)
    assert lists(browser) == LISTS
    assert pages(browser) == few
