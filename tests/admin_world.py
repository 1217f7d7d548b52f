"""A small world with a row of every noun that the admin shows."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import import_module

from django.contrib.admin import site
from django.db.models import Model
from django.test import Client

from accounts.choices import Role
from accounts.models import Operator
from alerts.codes import Code
from alerts.services import raise_alert
from alerts.subjects import node as node_subject
from backends.choices import PowerVerb
from backends.models import EnrolmentKey, Telemetry
from backends.power.monitoring import LogEntry, LogPortion, SensorReading, SensorState, SensorUnit
from backends.services.enrolment import create_enrolment_key
from backends.services.maintenance import create_window
from backends.services.monitoring import store_log, store_sensors
from backends.services.nodes import update_backend
from backends.services.power import lease_action, request_power
from billing.models import Statement, StatementLine
from billing.services.budgets import create_budget
from billing.services.prices import create_price
from bulk.services import BulkRequest, begin_bulk
from core.clock import db_now
from inventory.services import create_custom_field
from liveness.models import Sign
from notifications.services import create_rule, create_silence
from outbox.services import NewDelivery, create_channel, enqueue
from outbox.services.testing import send_test
from remediation.services.operators import open_repair
from scheduler.models import Queue
from sda.services.models import create_membership, create_sda_model_group
from subscriptions.services import create_subscription
from tests import make
from tokens.choices import BudgetKind
from tokens.models import Token
from tokens.services import create_token_group
from usage.models import ClosedDay, ClosedHour, ClosedMonth

BMC_PASSWORD = "bmc-password-7431"
BMC_USER = "bmc-user-7431"


def nouns() -> list[type[Model]]:
    """Return the models that the admin shows, in a stable order."""
    import_module("moreh_cloud.urls")  # registers them
    return sorted(site._registry, key=lambda model: model._meta.label)


def client_of(role: Role) -> Client:
    """Return a browser in which an operator of this role has logged in."""
    browser = Client()
    browser.force_login(make.operator(role))
    return browser


def master() -> Operator:
    """Return an operator who may do everything."""
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
    lease_action(action.pk)
    number = node.pk
    create_window([node.pk], starts_at=None, ends_at=db_now() + timedelta(days=1), reason="fans", actor=make.ACTOR)
    store_sensors(number, [SensorReading("CPU Temp", SensorUnit.CELSIUS, 48.0, SensorState.OK)], at=db_now())
    store_log(number, LogPortion((LogEntry("1", None, "CPU Temp", SensorState.OK, "Upper critical"),), more=False))
    token = make.token()
    token_group = create_token_group(name=f"team {number}", actor=make.ACTOR, tokens=[token])
    model_group = create_sda_model_group(
        name=f"models {number}", backend_group=make.default_group(), actor=make.ACTOR, models=[make.sda_model()]
    )
    create_membership(token_group, model_group, actor=make.ACTOR)
    create_budget(token, BudgetKind.DEVICE_HOURS, amount=Decimal(number), actor=make.ACTOR)
    field = create_custom_field(noun="backend", name=f"field_{number}", in_lists=True, actor=make.ACTOR)
    update_backend(node, actor=make.ACTOR, tags=[f"tag {number}"], custom_fields={field.name: "colo-1"})
    create_enrolment_key(group=make.default_group(), actor=make.ACTOR)
    open_repair(make.ready_backend(1), actor=make.ACTOR)
    raise_alert(Code.CHECK_FAILED, node_subject(number), node="node", error="A GPU fell off the bus.")
    hour = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    held = {"until": hour + timedelta(hours=1), "device_ms": 3_600_000, "minimum": 1, "maximum": 1, "closed_at": hour}
    ClosedHour.objects.create(hour=hour, starts=1, ends=1, **held)
    ClosedDay.objects.create(day=hour, **held)
    ClosedMonth.objects.create(month=hour, **held)
    _bill(token, number)
    Queue.objects.get_or_create(group=make.default_group())
    Sign.objects.create(name=f"work {number}", begun_at=db_now(), by="worker@host")
    channel, _secret = create_channel(
        name=f"channel {number}", kind="WEBHOOK", url="https://localhost/hook", actor=make.ACTOR
    )
    enqueue([NewDelivery(channel.pk, "test", {"channel": channel.name}, f"backend/{number}")])
    send_test(channel, actor=make.ACTOR)  # loopback is not allowed, so nothing leaves
    create_rule(name=f"rule {number}", channels=[channel], categories=["BMC_WEAK"], actor=make.ACTOR)
    create_silence(ends_at=db_now() + timedelta(days=1), comment="fans", categories=["BMC_WEAK"], actor=make.ACTOR)
    create_subscription(name=f"portal {number}", kinds=["JOB"], url="https://localhost/events", actor=make.ACTOR)
    make.operator(Role.GENERAL)
    begin_bulk(BulkRequest("backends.Backend", "activate", [(node.pk, node.name)]), operator=master(), actor=make.ACTOR)
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
