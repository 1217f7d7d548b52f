"""Deleted rows: nobody acts on them, neither from a list, nor from a page, nor with a bulk action that waited."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.messages import get_messages

from accounts.choices import Role
from backends.choices import BackendStatus, DeviceStatus, PowerVerb
from backends.models import Backend, BackendGroup, Device, Order
from backends.services.groups import move_backend
from backends.services.nodes import set_backend_status
from backends.services.power import request_power
from bulk import work
from bulk.models import BulkAction
from bulk.services import BulkRequest, begin_bulk
from core.clock import db_now
from core.errors import Conflict
from core.stored_text import render
from events.models import Event
from inventory.models import CustomField
from notifications.models import Rule
from outbox.models import Channel
from scheduler.services.nodes import activate_backend, check_backend, drain_backend, set_device_status
from sda.models import Sda, SdaModel, SdaModelGroup
from subscriptions.models import Subscription
from tests import make
from tests.admin_world import address, client_of, master, nouns, populate
from tests.turns import by_turns
from tokens.models import Token, TokenGroup

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
SAID = ["It is deleted."]
NOT_LISTED = ["None of these rows is left. Nothing was changed."]
MODELS: tuple[Any, ...] = (
    Backend,
    BackendGroup,
    Channel,
    CustomField,
    Device,
    Rule,
    Sda,
    SdaModel,
    SdaModelGroup,
    Subscription,
    Token,
    TokenGroup,
)


def _deleted(model: Any) -> Any:
    """Return a row that is deleted, or whose node is."""
    populate()
    row = model._default_manager.order_by("-pk").first()
    gone = row.backend if model is Device else row
    type(gone)._default_manager.filter(pk=gone.pk).update(deleted_at=db_now())
    return row


def _written() -> tuple[int, int, list[tuple[str, str]]]:
    devices = Device.objects.order_by("pk").values_list("status", "drain_to")
    return Event.objects.count(), Order.objects.count(), list(devices)


def test_every_noun_with_tombstones_is_tried() -> None:
    admins: dict[Any, Any] = site._registry
    assert {model for model in nouns() if admins[model]._path()} == set(MODELS)


@pytest.mark.parametrize("model", by_turns(MODELS), ids=lambda model: model.__name__)
def test_no_action_and_no_form_changes_a_deleted_row(model: Any) -> None:
    row, browser = _deleted(model), client_of(Role.MASTER)
    written, page, operator = _written(), address(model, "change", row.pk), site._registry[model]
    assert "_save" not in (shown := browser.get(page).content.decode())
    names = {name for name in dir(type(operator)) if hasattr(getattr(type(operator), name, None), "step")}
    assert names
    rows = address(model, "changelist") + ("" if model is Device else "?deleted=too")
    for name in names:
        assert f"/{name}/" not in shown, name
        answers = {"on the page": browser.post(f"{page.removesuffix('change/')}{name}/", {"agreed": "1"})}
        if name in (operator.actions or ()):
            data = {"action": name, "_selected_action": [str(row.pk)], "agreed": "1", "selection": "", "key": name}
            answers["in the list"] = browser.post(rows, data)
        for where, answer in answers.items():
            if where == "on the page" and answer.status_code == 404:
                continue  # it is an action of the list alone
            expected = NOT_LISTED if (model, where) == (Device, "in the list") else SAID
            said = [str(one) for one in get_messages(answer.wsgi_request)]
            assert (answer.status_code, said[-1:]) == (302, expected), (name, where)
    if operator.update_row is not None:  # type: ignore[attr-defined]
        saved = browser.post(page, {"name": "other", "description": "other"}, follow=True)
        assert [str(one) for one in saved.context["messages"]][-1:] == SAID
    assert _written() == written


VERBS: dict[str, dict[str, list[str]]] = {
    "drain": {},
    "device_status": {"status": ["IDLE"]},
    "health_check": {},
    "activate": {},
    "shut_down": {},
    "move_group": {"group": ["0"]},
    "power_status": {},
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_bulk_action_that_waited_leaves_a_deleted_node(verb: str) -> None:
    node = make.ready_backend(2)
    asked = BulkRequest("backends.Backend", verb, [(node.pk, node.name)], VERBS[verb])
    begin_bulk(asked, operator=master(), actor=make.ACTOR)
    Backend.objects.filter(pk=node.pk).update(deleted_at=db_now())
    bulk, written = BulkAction.objects.latest("pk"), _written()[1:]
    work.carry_on(bulk.pk)
    item = bulk.items.get()
    assert item.state == "FAILED"
    assert render(item.message).startswith(SAID[0])
    assert _written()[1:] == written


# A node is deleted after the row was read, and before the service has it.
SERVICES: dict[str, Callable[[Backend], object]] = {
    "set device status": lambda node: set_device_status(node, DeviceStatus.IDLE, actor=make.ACTOR),
    "drain": lambda node: drain_backend(node, actor=make.ACTOR),
    "activate": lambda node: activate_backend(node, actor=make.ACTOR),
    "shut down": lambda node: set_backend_status(node, BackendStatus.SHUTDOWN, actor=make.ACTOR),
    "health check": check_backend,
    "move": lambda node: move_backend(node, make.default_group(), actor=make.ACTOR),
    "power status": lambda node: request_power(node, PowerVerb.STATUS, actor=make.ACTOR),
}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_holds_the_live_node(service: str) -> None:
    node = make.ready_backend(2)
    Backend.objects.filter(pk=node.pk).update(deleted_at=db_now())
    written = _written()
    with pytest.raises(Conflict, match=r"^It is deleted\.$"):
        SERVICES[service](node)
    assert _written() == written
