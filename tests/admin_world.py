"""A small world with a row of every noun that the admin shows."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.contrib.admin import site
from django.db.models import Model
from django.test import Client
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from backends.choices import PowerVerb
from backends.models import EnrolmentKey, Telemetry
from backends.services.nodes import create_enrolment_key
from backends.services.power import claim_action, request_power
from billing.models import Statement, StatementLine
from billing.services.budgets import create_budget
from billing.services.prices import create_price
from moreh_cloud.accounts.choices import Role
from moreh_cloud.accounts.models import Operator
from moreh_cloud.alerts.choices import Category
from moreh_cloud.alerts.services import raise_alert
from moreh_cloud.bulk.services import Order, begin_bulk
from moreh_cloud.lib.clock import db_now
from scheduler.models import Queue
from sda.services.models import create_membership, create_sda_model_group
from tests import make
from tokens.choices import Spent
from tokens.models import Token
from tokens.services import create_token_group
from usage.models import ClosedDay, ClosedHour, ClosedMonth

BMC_PASSWORD = "bmc-password-7431"
BMC_USER = "bmc-user-7431"


def nouns() -> list[type[Model]]:
    """Give the models that the admin shows, in a stable order."""
    return sorted(site._registry, key=lambda model: model._meta.label)


def client_of(role: Role) -> Client:
    """Give a browser in which an operator of this role has logged in."""
    browser = Client()
    browser.force_login(make.operator(role))
    return browser


def master() -> Operator:
    """Give an operator who may do everything."""
    return Operator.objects.filter(role=Role.MASTER).first() or make.operator(Role.MASTER)


def address(model: type[Model], page: str, *args: object) -> str:
    from django.urls import reverse

    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def populate(times: int = 1) -> None:
    """Make `times` rows of every noun, at least."""
    for _ in range(times):
        _once()


def _once() -> None:
    node = make.ready_backend(2, bmc_user=BMC_USER, bmc_password=BMC_PASSWORD)
    for device in node.devices.all():
        Telemetry.objects.create(device=device, temperature=61, at=db_now())
    make.running_job(node)
    make.job(num_devices=8)
    action = request_power(node, PowerVerb.STATUS, actor=make.ACTOR)
    claim_action(action.pk)
    number = node.pk
    token = make.token()
    token_group = create_token_group(name=f"team {number}", actor=make.ACTOR, tokens=[token])
    model_group = create_sda_model_group(
        name=f"models {number}", backend_group=make.default_group(), actor=make.ACTOR, models=[make.sda_model()]
    )
    create_membership(token_group, model_group, actor=make.ACTOR)
    create_budget(token, Spent.DEVICE_HOURS, amount=Decimal(number), actor=make.ACTOR)
    create_enrolment_key(group=make.default_group(), actor=make.ACTOR)
    raise_alert(Category.GPU_ERROR, subject=f"backend/{number}", content="A GPU fell off the bus.")
    hour = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    held = {"until": hour + timedelta(hours=1), "device_ms": 3_600_000, "minimum": 1, "maximum": 1, "closed_at": hour}
    ClosedHour.objects.create(hour=hour, starts=1, ends=1, **held)
    ClosedDay.objects.create(day=hour, **held)
    ClosedMonth.objects.create(month=hour, **held)
    _bill(token, number)
    Queue.objects.get_or_create(group=make.default_group())
    every = IntervalSchedule.objects.get_or_create(every=10, period=IntervalSchedule.SECONDS)[0]
    PeriodicTask.objects.create(name=f"task {number}", task="scheduler.tasks.sweep", interval=every)
    make.operator(Role.GENERAL)
    begin_bulk(Order("backends.Backend", "activate", [(node.pk, node.name)]), operator=master(), actor=make.ACTOR)
    assert EnrolmentKey.objects.exists()
    assert Operator.objects.exists()


def _bill(token: Token, number: int) -> None:
    """Make a price and the draft of a statement, which, unlike an issued one, can be emptied away after a test."""
    january, model = date(2026, 1, 1), make.sda_model()
    price = create_price(device_model=f"MI{number}", amount=Decimal(7), valid_from=january, actor=make.ACTOR)
    start, end = datetime(2025, 12, 31, 15, tzinfo=UTC), datetime(2026, 1, 31, 15, tzinfo=UTC)
    statement = Statement.objects.create(
        token=token, month=january, customer=token.description, currency="KRW", time_zone="Asia/Seoul",
        starts_at=start, ends_at=end, device_ms=3_600_000, total=Decimal(7), made_at=db_now(),
    )  # fmt: skip
    StatementLine.objects.create(
        statement=statement, place=1, sda_model=model, sda_model_name=model.name, device_model=price.device_model,
        price=price, unit_price=price.amount, device_ms=3_600_000, preparing_ms=0, reserved_ms=0, amount=Decimal(7),
    )  # fmt: skip
