"""Times that Python cannot hold: they stop no page, list or tick, and `prove` names each by table, id and column."""

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse

from accounts.choices import Role
from backends.choices import DEFAULT_GROUP
from billing.audit import audit_billing as prove_billing
from billing.models import Budget
from billing.services.budgets import create_budget
from billing.services.checking import check_budgets
from billing.services.statements import make_statements
from core.clock import db_now
from core.times import NEWEST, OLDEST
from moreh_cloud.celery import app
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job
from scheduler.reconcile import reconcile
from tests import make
from tests.admin_world import address, client_of, nouns, populate
from tests.api import V2, client
from tests.billing.world import HOUR, MARCH, START, close, hold
from tests.moreh_cloud.metrics.scrape import KEY, ask, body
from tokens.choices import BudgetKind
from usage.audit import audit_usage
from usage.models import ClosedHour
from usage.services import roll_up

pytestmark = pytest.mark.django_db
FAR = {"infinity": NEWEST, "-infinity": OLDEST, "0044-03-15 BC": OLDEST, "20000-01-01": NEWEST, "9999-12-31": NEWEST}


def spoil(table: str, column: str, value: str, key: str = "id", pk: int | None = None) -> None:
    which = "" if pk is None else f" WHERE {key} = {pk}"
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s{which}", [value])  # noqa: S608


@pytest.mark.only_postgresql
@pytest.mark.parametrize("value", FAR)
def test_it_is_read_as_the_nearest_that_we_keep(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz, %s::date", [value, value])
        found = cursor.fetchone()
    assert found == (FAR[value], FAR[value].date())


def spoil_all() -> None:
    """Put times that are far away into every column of a small world whose change nothing forbids."""
    far = ("infinity", "-infinity") if connection.vendor == "postgresql" else ("soon", "0000-01-01 00:00:00")
    populate()
    roll_up()
    for table, columns in {
        "scheduler_job": ("requested_at", "submitted_at", "started_at", "client_seen_at"),
        "scheduler_queue": ("ticked_at",),
        "backends_agent": ("last_seen",),
        "backends_bmc": ("checked_at",),
        "backends_device": ("since", "created_at"),
        "backends_telemetry": ("at",),
        "backends_order": ("created_at",),
        "backends_poweraction": ("requested_at", "lease_until"),
        **({"alerts_alert": ("raised_at",)} if connection.vendor == "postgresql" else {}),  # its list groups by day
        "bulk_bulkaction": ("requested_at",),
        "billing_statement": ("made_at",),
    }.items():
        for number, column in enumerate(columns):
            spoil(table, column, far[number % 2])
    spoil("scheduler_allocation", "started_at", far[1])
    spoil("scheduler_allocation", "ended_at", far[0])


@pytest.mark.usefixtures("static_files")
def test_every_list_and_every_page_goes_on() -> None:
    spoil_all()
    browser, api = client_of(Role.MASTER), client()
    for model in nouns():
        row = model._default_manager.first()
        pages = [address(model, "changelist"), *([address(model, "change", row.pk)] if row else [])]
        assert {page: browser.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)
    names = ("usage", "usage-chart", "nodes", "jobs", "history", "timeline", "heat", "home-cards", "home-top")
    pages = [reverse("admin:index"), *(reverse(f"console:{name}") for name in names)]
    assert {page: browser.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)
    span = "starttime=2026-01-01T00:00:00Z&endtime=2026-12-31T00:00:00Z"
    paths = ["/token", "/sda", "/scheduler/queue", "/scheduler/history", "/backend", f"/usage?{span}"]
    assert {path: api.get(V2 + path).status_code for path in paths} == dict.fromkeys(paths, 200)


def test_all_that_beat_asks_for_and_every_command_goes_on(settings: Any) -> None:
    settings.MOREH_METRICS_KEY = KEY
    spoil_all()
    app.loader.import_default_modules()
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        app.tasks[entry["task"]].run()
    for command in (["reconcile"], ["recount_usage", "2026-11-01", "2026-11-30T12:00"], ["rotate_keys", "--dry-run"]):
        call_command(*command, stdout=StringIO())
    assert b"moreh_devices" in body(ask())


@pytest.mark.parametrize("value", ["infinity", "-infinity", "0044-03-15 BC"])
def test_a_tick_and_the_reconciler_go_on(value: str) -> None:
    make.ready_backend(2)
    bad, good = make.job(), make.job()
    spoil("scheduler_job", "requested_at", value, pk=bad.pk)
    spoil("scheduler_job", "client_seen_at", value, pk=bad.pk)
    tick(DEFAULT_GROUP)
    assert {job.pk: job.status for job in Job.objects.all()} == {bad.pk: "SUBMITTED", good.pk: "SUBMITTED"}
    spoil("scheduler_queue", "lease_until", value)
    spoil("scheduler_allocation", "started_at", "-infinity", "job_id", bad.pk)
    reconcile()
    third = make.job()
    tick(DEFAULT_GROUP)
    assert Job.objects.get(pk=third.pk).pending_reason != ""


TOLD = {
    ("scheduler_allocation", "ended_at"): "infinity",
    ("scheduler_allocation", "started_at"): "-infinity",
    ("scheduler_job", "client_seen_at"): "0044-03-15 00:00:00+00 BC",
    ("backends_agent", "last_seen"): "20000-01-01 00:00:00+00",
}


@pytest.mark.only_postgresql
@pytest.mark.parametrize("place", TOLD)
def test_prove_names_table_id_and_column(place: tuple[str, str]) -> None:
    table, column = place
    node = make.ready_backend(1)
    job = make.running_job(node)
    pk = {"scheduler_allocation": Allocation.objects.get(job=job).pk, "scheduler_job": job.pk}.get(table, node.pk)
    spoil(table, column, TOLD[place])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL timezone = 'UTC'")
    failed = StringIO()
    with pytest.raises(CommandError, match="1 differences in "):
        call_command("prove", stdout=StringIO(), stderr=failed)
    assert failed.getvalue() == f"{table} {pk} {column}: '{TOLD[place]}' cannot be read\n"


@pytest.mark.only_postgresql
def test_a_closed_hour_that_never_was_does_not_end_the_closing() -> None:
    node = make.ready_backend(1)
    make.running_job(node)
    ClosedHour.objects.create(
        hour=NEWEST, until=NEWEST, device_ms=0, minimum=0, maximum=0, starts=0, ends=0, closed_at=db_now()
    )
    spoil("usage_closedhour", "hour", "infinity")
    spoil("usage_closedhour", "until", "infinity")
    roll_up()
    assert sorted(audit_usage().differences) == [
        "usage_closedhour infinity hour: 'infinity' cannot be read",
        "usage_closedhour infinity until: 'infinity' cannot be read",
    ]


@pytest.mark.only_sqlite
@pytest.mark.parametrize("value", ["soon", "0000-01-01 00:00:00", "2026-13-01 00:00:00"])
def test_prove_names_what_sqlite_holds_that_is_no_time(value: str) -> None:
    make.running_job(make.ready_backend(1))
    (pk,) = Allocation.objects.values_list("pk", flat=True)
    spoil("scheduler_allocation", "ready_at", value)
    assert audit_usage().differences == [f"scheduler_allocation {pk} ready_at: '{value}' cannot be read"]


@pytest.mark.only_sqlite
@pytest.mark.parametrize("spoiled", ["until = ''", "month = x'ff'", "month = 5"])
def test_prove_names_a_closed_month_that_cannot_be_read_and_reads_no_bills_by_it(spoiled: str) -> None:
    hold(make.sda(), START, START + HOUR)
    close()
    assert make_statements(MARCH, actor=make.ACTOR, issue=True).issued == 1
    make.sql(f"UPDATE usage_closedmonth SET {spoiled}")  # noqa: S608
    failed = StringIO()
    with pytest.raises(CommandError, match="1 differences in "):
        call_command("prove", stdout=StringIO(), stderr=failed)
    assert failed.getvalue().startswith("usage_closedmonth ")
    assert f" {spoiled.partition(' ')[0]}: " in failed.getvalue()


AS_READ = {"soon": OLDEST, "0000-01-01 00:00:00": OLDEST, "9999-12-31 23:59:59": NEWEST}


@pytest.mark.only_sqlite
@pytest.mark.parametrize("value", AS_READ)
def test_what_is_no_time_is_read_as_the_oldest(value: str) -> None:
    job = make.job()
    spoil("scheduler_job", "client_seen_at", value)
    assert Job.objects.get(pk=job.pk).client_seen_at == AS_READ[value]
    assert Job.objects.get(pk=job.pk).started_at is None


@pytest.mark.only_sqlite
@pytest.mark.parametrize("value", ["soon", "2025-02-30", "0000-01-01"])
def test_a_budget_told_on_a_day_that_never_was_stops_no_other(value: str) -> None:
    budget = create_budget(make.token(), BudgetKind.MONEY, amount=Decimal(7), actor=make.ACTOR)
    spoil("billing_budget", "warned_in", value)
    assert Budget.objects.get(pk=budget.pk).warned_in == OLDEST.date()
    assert prove_billing().differences == [f"billing_budget {budget.pk} warned_in: '{value}' cannot be read"]
    check_budgets()
    assert Budget.objects.get(pk=budget.pk).warned_in is None


@pytest.mark.only_sqlite
@pytest.mark.parametrize("value", [2**63 - 1, float("inf"), "x", b"\xff"])
def test_prove_names_a_figure_that_cannot_be_summed(value: Any) -> None:
    make.running_job(make.ready_backend(1))
    hour = {"hour": db_now(), "until": db_now(), "minimum": 0, "maximum": 0, "starts": 0, "ends": 0}
    ClosedHour.objects.create(**hour, closed_at=db_now(), device_ms=0)
    spoil("usage_closedhour", "device_ms", value)
    (found,) = audit_usage().differences
    assert (found.split()[0], found.split()[3]) == ("usage_closedhour", "device_ms:")
    assert found.endswith(" cannot be read")
