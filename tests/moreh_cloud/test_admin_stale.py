"""A page that was opened before somebody else's change and is saved after it: every field of every form of rows."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.messages import get_messages
from django.db.models import Model
from django.test import Client

from accounts.choices import Role
from accounts.models import Operator
from backends.models import Backend, BackendGroup, Bmc, MaintenanceWindow
from backends.services.groups import create_backend_group
from backends.services.maintenance import create_window
from billing.models import Budget, Price
from billing.services.budgets import create_budget
from billing.services.prices import create_price
from core.clock import db_now
from inventory.models import CustomField, Tag
from inventory.services import create_custom_field
from outbox.models import Channel
from outbox.services import create_channel
from sda.models import Sda, SdaModel, SdaModelGroup
from sda.services.models import create_sda_model_group
from subscriptions.models import Subscription
from subscriptions.services import create_subscription
from tests import make
from tests.admin_world import address, client_of, nouns
from tests.moreh_cloud.test_admin_unchanged import Fields
from tokens.choices import BudgetKind
from tokens.models import Token, TokenGroup
from tokens.services import create_token_group

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
NEVER_SHOWN = {"new_password", "bmc_user", "bmc_password", "new_url", "new_secret"}
UNCHANGED = ["Nothing changed: it was like this already."]

# By field: what somebody else stores, what is typed on the page that is open meanwhile, and how the page says theirs
# where that is not its text. Where only one other value exists, nothing else can be typed.
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
    CustomField: lambda: (create_custom_field(noun="backend", name="owner", actor=make.ACTOR), FIELD),
    MaintenanceWindow: _window,
}


def _store(row: Any, field: str, value: Any) -> None:
    """Store what somebody else chose."""
    if isinstance(value, list):
        getattr(row, field).set(value)
    elif field.startswith("bmc_"):
        Bmc.objects.filter(backend=row).update(**{field.removeprefix("bmc_"): value})
    elif field == "email_verified":
        Operator.objects.filter(pk=row.pk).update(email_verified_at=None)
    else:
        type(row)._default_manager.filter(pk=row.pk).update(**{field: value})


def _sent(page: str) -> dict[str, list[str]]:
    """Return what a browser sends of a page, without what each page has anew."""
    data: dict[str, list[str]] = {}
    for name, value in Fields(page).sent:
        if name != "csrfmiddlewaretoken":
            data.setdefault(name, []).append(value)
    return data


def _typed(data: dict[str, list[str]], field: str, value: Any) -> dict[str, list[str]]:
    """Return a form in which one field was changed, a set by taking out what it has."""
    name = f"{field}-value" if field == "env" else field
    text = str(getattr(value, "pk", value))
    return {**data, name: [text, *data[name][1:]] if field == "env" else [text]}


def _open(browser: Client, row: Model) -> dict[str, list[str]]:
    return _sent(browser.get(address(type(row), "change", row.pk)).content.decode())


def test_the_table_has_every_form() -> None:
    assert {model for model in nouns() if site._registry[model].update_row} == set(MADE)  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", MADE, ids=lambda model: model.__name__)
def test_a_page_that_was_open_meanwhile(model: type[Model]) -> None:
    browser = client_of(Role.MASTER)
    row, case = MADE[model]()
    page = address(model, "change", row.pk)
    old = _open(browser, row)
    form = browser.get(page).context["adminform"].form
    assert set(form.fields) - NEVER_SHOWN == set(case)
    case = {field: values for field, values in case.items() if values}
    for field, (theirs, *_) in case.items():
        _store(row, field, theirs)
    now = _open(browser, row)
    assert {name for name in now if name != "shown" and now[name] != old.get(name)}

    untouched = browser.post(page, old)
    assert (untouched.status_code, [str(one) for one in get_messages(untouched.wsgi_request)]) == (302, UNCHANGED)
    assert _open(browser, row) == now

    sets = {field for field, (theirs, *_) in case.items() if isinstance(theirs, list)}
    for field, (theirs, mine, *text) in case.items():
        if mine is None or field in sets:
            continue
        refused = browser.post(page, _typed(old, field, mine))
        said = f"This was changed meanwhile: it is {text[0] if text else theirs} now. Save again to overwrite it."
        assert refused.status_code == 200, field
        assert refused.context["adminform"].form.errors == {field: [said]}, field
        again = _sent(refused.content.decode())
        assert again == {**_typed(now, field, mine), "shown": now["shown"]}, field  # the other fields show what is
    assert _open(browser, row) == now

    for field in sets:  # what was taken out goes, what was added stays with what somebody else added
        theirs, mine = case[field][:2]
        assert browser.post(page, _typed(old, field, mine)).status_code == 302
        assert set(getattr(row, field).all()) == {*theirs, mine}


def test_saving_again_overwrites_knowingly() -> None:
    browser, token = client_of(Role.MASTER), make.token()
    page, old = address(Token, "change", token.pk), _open(browser, token)
    Token.objects.filter(pk=token.pk).update(priority=9, max_devices=7)
    refused = browser.post(page, _typed(old, "priority", -9))
    assert browser.post(page, _sent(refused.content.decode())).status_code == 302
    token.refresh_from_db()
    assert (token.priority, token.max_devices) == (-9, 7)


@pytest.mark.parametrize("shown", ["", "[]", "{", "7", '{"priority": 7, "groups": "x"}'])
def test_a_form_whose_snapshot_cannot_be_read_is_refused_once(shown: str) -> None:
    browser, token = client_of(Role.MASTER), make.token()
    page, old = address(Token, "change", token.pk), _open(browser, token)
    refused = browser.post(page, {**_typed(old, "priority", 9), "shown": [shown]})
    assert list(refused.context["adminform"].form.errors) == ["priority"]
    token.refresh_from_db()
    assert token.priority == 0


def test_a_group_that_was_deleted_meanwhile_is_in_nobodys_way() -> None:
    browser = client_of(Role.MASTER)
    token, group = make.token(), create_token_group(name="g", actor=make.ACTOR)
    token.groups.set([group])
    old = _open(browser, token)
    token.groups.clear()
    TokenGroup.objects.filter(pk=group.pk).update(deleted_at=db_now())
    answer = browser.post(address(Token, "change", token.pk), _typed(old, "description", "mine"))
    token.refresh_from_db()
    assert (answer.status_code, token.description, token.groups.count()) == (302, "mine", 0)


def test_what_a_form_carries_tells_no_value() -> None:
    token = make.token(env={"PASSWORD": "s3cret-7"})
    (shown,) = _open(client_of(Role.MASTER), token)["shown"]
    assert "s3cret" not in shown
    assert "PASSWORD" not in shown
