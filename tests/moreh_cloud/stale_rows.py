"""Rows of every noun with a form, and what somebody else and the operator make of their fields."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Model

from accounts.choices import Role
from accounts.models import Operator
from backends.models import Backend, BackendGroup, MaintenanceWindow
from backends.services.groups import create_backend_group
from backends.services.maintenance import create_window
from billing.models import Budget, Price
from billing.services.budgets import create_budget
from billing.services.prices import create_price
from core.clock import db_now
from inventory.models import CustomField, Tag
from inventory.services import create_custom_field
from notifications.models import Rule, Silence
from notifications.services import create_rule, create_silence
from outbox.models import Channel
from outbox.services import create_channel
from sda.models import Sda, SdaModel, SdaModelGroup
from sda.services.models import create_sda_model_group
from subscriptions.models import Subscription
from subscriptions.services import create_subscription
from tests import make
from tokens.choices import BudgetKind
from tokens.models import Token, TokenGroup
from tokens.services import create_token_group

Case = dict[str, tuple[Any, ...]]
NAMED: Case = {"name": ("theirs", "mine"), "description": ("theirs", "mine")}
OPERATOR: Case = {
    "username": ("theirs", "mine"),
    "email": ("theirs@example.com", "mine@example.com"),
    "email_verified": (False, None),
    "role": (Role.READ_ONLY, Role.MASTER, "Read-only"),
    "language": ("ko", None),
    "is_active": (False, None),
}
TOKEN: Case = {
    "description": ("theirs", "mine"),
    "priority": (9, -9),
    "max_sda_count": (8, 6),
    "max_duplicates": (),  # not with more than one SDA
    "max_devices": (16, 32),
    "access_level": ("ADMIN", "DEVELOPER", "admin"),
    "env": ({"A": "theirs"}, "mine", "A=theirs"),
}
USER_GROUP: Case = {**NAMED, "index": (4, 5), "max_devices": (4, 5)}
NODE_GROUP: Case = {
    **NAMED,
    "index": (4, 5),
    "combine": (False, None),
    "policy": ("fair", "backfill", "fair: within a priority, who used least lately goes first"),
    "guard_s": (77, 78),
    "draining": (True, None),
    "preempt": (True, None),
    "min_run_s": (77, 78),
    "notice_s": (77, 78),
    "one_rack": (True, None),
    "power_on_nodes": (7, 8),
    "power_on_s": (7, 8),
    "check_command": ("theirs", "mine"),
    "check_every_h": (7, 8),
    "preflight": (True, None),
    "repair_clean": (True, None),
    "repair_reset": (True, None),
    "repair_reboot": (True, None),
    "repair_power_cycle": (True, None),
    "repair_dry_run": (True, None),
    "repair_attempts": (7, 8),
    "repair_percent": (7, 8),
    "repair_drain_min": (7, 8),
    "repair_force": (True, None),
}
INVENTORY: Case = {"rack": ("B-1", "B-2"), "unit": (7, 8), "serial": ("theirs", "mine"), "tag_names": ()}
BMC: Case = {"bmc_ip": ("10.9.9.7", "10.9.9.6"), "bmc_driver": (), "bmc_certificate": ()}
FIELD: Case = {
    "label": ("theirs", "mine"),
    "description": ("theirs", "mine"),
    "index": (4, 5),
    "kind": (),
    "choices": (),
    "required": (True, None),
    "in_lists": (True, None),
}
TAG: Case = {"name": ("theirs", "mine"), "description": ("theirs", "mine"), "colour": ()}
NODE: Case = {**NAMED, **INVENTORY, **BMC, "ip": ("10.9.9.9", "10.9.9.8"), "port": (21, 22)}
PRICE: Case = {
    "device_model": (),  # a price is of one or the other
    "amount": (Decimal("9.5"), "8"),
    "valid_from": (date(2026, 2, 1), "2026-03-01", "2026-02-01"),
    "valid_until": (date(2027, 2, 1), "2027-03-01", "2027-02-01"),
}
BUDGET: Case = {"amount": (Decimal(3), "2.5"), "warn_percent": (60, 70), "stops": (True, None)}


CHANNEL: Case = {"name": ("theirs", "mine"), "language": ("ko", None), "enabled": (False, None), "recipients": ()}


def _channel() -> tuple[Model, Case]:
    made, _secret = create_channel(name="c", kind="MAIL", recipients=["a@example.com"], actor=make.ACTOR)
    return made, CHANNEL


def _subscription() -> tuple[Model, Case]:
    made, _secret = create_subscription(name="s", kinds=["JOB"], url="https://localhost/", actor=make.ACTOR)
    return made, {"name": ("theirs", "mine"), "kinds": ()}


def _rule() -> tuple[Model, Case]:
    row, _case = _channel()
    made = create_rule(name="r", channels=[row], actor=make.ACTOR)
    times: Case = {"from_time": (), "to_time": (), "time_zone": ("Asia/Seoul", "UTC")}
    sets: Case = {"channels": (), "groups": (), "tags": (), "tokens": (), "categories": (), "weekdays": ()}
    numbers: Case = {"group_wait_s": (7, 8), "repeat_min": (60, 70), "least_level": ()}
    return made, {
        "name": ("theirs", "mine"),
        "enabled": (False, None),
        "send_resolved": (False, None),
        **times,
        **sets,
        **numbers,
    }


def _silence() -> tuple[Model, Case]:
    ends_at = db_now() + timedelta(days=1)
    made = create_silence(ends_at=ends_at, comment="c", categories=["BMC_WEAK"], actor=make.ACTOR)
    return made, {"comment": ("theirs", "mine"), "ends_at": ()}


def _groups(count: int) -> list[BackendGroup]:
    return [create_backend_group(name=f"nodes {number}", actor=make.ACTOR) for number in range(count)]


def _model_group(backend_group: BackendGroup, *models: SdaModel) -> SdaModelGroup:
    return create_sda_model_group(name="mg", backend_group=backend_group, models=models, actor=make.ACTOR)


def _token() -> tuple[Model, Case]:
    first, theirs, mine = (create_token_group(name=name, actor=make.ACTOR) for name in ("first", "theirs", "mine"))
    token = make.token(max_sda_count=2, env={"A": "first"})
    token.groups.set([first])
    return token, {**TOKEN, "groups": ([theirs], mine)}


def _node() -> tuple[Model, Case]:
    theirs, mine = _groups(2)
    return make.ready_backend(1), {**NODE, "group": (theirs, mine), "bmc_port": (77, 78)}


def _price() -> tuple[Model, Case]:
    first, theirs, mine = (make.sda_model() for _ in range(3))
    price = create_price(sda_model=first, amount=Decimal(7), valid_from=date(2026, 1, 1), actor=make.ACTOR)
    return price, {**PRICE, "sda_model": (theirs, mine)}


def _budget() -> tuple[Model, Case]:
    return create_budget(make.token(), BudgetKind.DEVICE_HOURS, amount=Decimal(5), actor=make.ACTOR), BUDGET


def _sda() -> tuple[Model, Case]:
    first, theirs, mine = (make.sda_model() for _ in range(3))
    groups = [
        create_sda_model_group(name=name, backend_group=make.default_group(), models=[mine], actor=make.ACTOR)
        for name in ("theirs", "mine")
    ]
    return Sda.objects.create(token=make.token(), model=first), {"model": (theirs, mine), "model_group": tuple(groups)}


def _window() -> tuple[Model, Case]:
    start = db_now() + timedelta(days=1)
    window = create_window(
        [make.ready_backend(1).pk], starts_at=start, ends_at=start + timedelta(hours=1), reason="fans", actor=make.ACTOR
    )
    return window, {"reason": ("theirs", "mine"), "starts_at": (), "ends_at": ()}


def _sda_model_group() -> tuple[Model, Case]:
    first, theirs, mine = (make.sda_model() for _ in range(3))
    nodes = _groups(2)
    group = _model_group(make.default_group(), first)
    return group, {**NAMED, "index": (4, 5), "backend_group": tuple(nodes), "sda_models": ([theirs], mine)}


MADE: dict[type[Model], Callable[[], tuple[Model, Case]]] = {
    Operator: lambda: (make.operator(Role.GENERAL), OPERATOR),
    Token: _token,
    TokenGroup: lambda: (create_token_group(name="g", actor=make.ACTOR), USER_GROUP),
    Backend: _node,
    BackendGroup: lambda: (create_backend_group(name="g", actor=make.ACTOR), NODE_GROUP),
    Price: _price,
    Budget: _budget,
    Sda: _sda,
    SdaModel: lambda: (make.sda_model(), {**NAMED, "open": (False, None)}),
    SdaModelGroup: _sda_model_group,
    Channel: _channel,
    Subscription: _subscription,
    Tag: lambda: (Tag.objects.create(name="hot", key="hot"), TAG),
    Rule: _rule,
    Silence: _silence,
    CustomField: lambda: (create_custom_field(noun="backend", name="owner", actor=make.ACTOR), FIELD),
    MaintenanceWindow: _window,
}
