"""How many queries the admin's pages need: pinned, and the same for 5 rows and for 50."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from backends.models import Backend
from moreh_cloud.accounts.choices import Role
from scheduler.models import Job
from tests.admin_world import address, client_of, nouns, populate
from tokens.models import Token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]

# Two of each are the session and the operator; of lists that are live, one more what the page has seen.
LISTS = {
    "accounts.Operator": 4,
    "alerts.Alert": 6,
    "backends.Backend": 7,
    "backends.BackendGroup": 4,
    "backends.Device": 6,
    "backends.EnrolmentKey": 5,
    "backends.Order": 3,
    "backends.PowerAction": 3,
    "bulk.BulkAction": 5,
    "django_celery_beat.PeriodicTask": 4,
    "events.Event": 4,
    "scheduler.Allocation": 3,
    "scheduler.Job": 5,
    "scheduler.Queue": 3,
    "scheduler.Worker": 3,
    "sda.Membership": 5,
    "sda.Sda": 6,
    "sda.SdaModel": 6,
    "sda.SdaModelGroup": 6,
    "tokens.Token": 6,
    "tokens.TokenGroup": 4,
    "usage.ClosedHour": 3,
    "usage.UsageHour": 3,
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
    populate(45)
    assert lists(browser) == LISTS
    assert pages(browser) == few
