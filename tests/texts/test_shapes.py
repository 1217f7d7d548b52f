"""JSON of another shape than its column holds: pages, ticks, sweeps and other orders go on, and nothing is guessed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from accounts.choices import Role
from backends import work
from backends.choices import DEFAULT_GROUP, PowerVerb
from backends.models import Backend, Bmc, Device, Order, PowerAction
from backends.services.power import lease_action, record_sent, request_power
from bulk.models import BulkAction, BulkItem
from core.clock import db_now
from core.stored_text import render
from events.models import Event
from moreh_cloud.celery import app
from scheduler.cycle.tick import tick
from scheduler.models import Job, Queue, Worker
from scheduler.reconcile import reconcile
from scheduler.rpc.messages import read_orders
from tests import make
from tests.admin_world import address, client_of, nouns, populate
from tests.api import V2, client
from tests.core.test_unreadable_secrets import damage
from tokens.errors import BudgetSpent
from tokens.models import Token
from tokens.services import require_not_stopped

pytestmark = pytest.mark.django_db
SHAPES: dict[str, Any] = {
    "a list": ["x", None], "a list of lists": [[1]], "a text": "x", "a number": 5, "nothing": None, "true": True,
    "an object": {"x": {"y": [1]}}, "an empty list": [], "an empty object": {}, "a fraction": [0.5],
}  # fmt: skip
COLUMNS: dict[type[Any], list[str]] = {
    Token: ["stopped_for"], Bmc: ["wrong_logins"], PowerAction: ["sent"], Order: ["devices"], Worker: ["devices"],
    Queue: ["heads"], BulkAction: ["data"], BulkItem: ["message"],
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _end_drivers() -> Iterator[None]:
    yield
    work.pool().close()
    work.pool.cache_clear()


def spoil(model: type[Any], column: str, value: Any, **which: Any) -> None:
    rows = model.objects.filter(**which).values("pk").query
    table, key = model._meta.db_table, model._meta.pk.column
    sql, given = rows.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE {key} IN ({sql})", [json.dumps(value), *given])  # noqa: S608


@pytest.mark.parametrize("shape", SHAPES)
def test_each_column_is_read_in_its_own_shape(shape: str) -> None:
    node = make.ready_backend(1)
    make.running_job(node)
    make.answer(node)
    request_power(make.backend(1), PowerVerb.STATUS, actor=make.ACTOR)
    BulkAction.objects.create(noun="tokens.Token", verb="x", actor="kim", total=1, requested_at=db_now()).items.create(
        object_pk="1", name="a"
    )
    for model, columns in COLUMNS.items():
        for column in columns:
            spoil(model, column, SHAPES[shape])
            kind = model._meta.get_field(column).default
            found = {type(value) for value in model.objects.values_list(column, flat=True)}
            assert found == {kind}, (model, column)


@pytest.mark.parametrize("shape", ["a list", "an object"])
def test_all_that_beat_asks_for_goes_on(settings: Any, shape: str) -> None:
    populate()
    tick(DEFAULT_GROUP)
    Token.objects.update(stopped_at=db_now())
    for model, columns in COLUMNS.items():
        for column in columns:
            spoil(model, column, SHAPES[shape])
    for pk in Token.objects.values_list("pk", flat=True):
        damage("tokens_token", "env", pk)
        damage("tokens_token", "value", pk)
    app.loader.import_default_modules()
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        app.tasks[entry["task"]].run()


@pytest.mark.usefixtures("static_files")
@pytest.mark.parametrize("role", [Role.MASTER, Role.READ_ONLY])
def test_every_list_and_every_page_goes_on(role: Role) -> None:
    populate()
    Event.objects.create(action="TELL", subject="token/1", event_time=db_now(), request=["x", None], response=5)
    for number, (model, columns) in enumerate(COLUMNS.items()):
        for column in columns:
            spoil(model, column, list(SHAPES.values())[number])
    browser, api = client_of(role), client(role)
    for model in nouns():
        row: Any = model._default_manager.first()
        pages = [address(model, "changelist"), *([address(model, "change", row.pk)] if row else [])]
        assert {page: browser.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)
    paths = ["/token", "/sda", "/scheduler/queue", "/backend", "/log/sdamanager/event"]
    assert {path: api.get(V2 + path).status_code for path in paths} == dict.fromkeys(paths, 200)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_start_on_unknown_devices_fails_alone(shape: str) -> None:
    node = make.ready_backend(3)
    bad, good = make.job(), make.job()
    tick(DEFAULT_GROUP)
    spoil(Worker, "devices", SHAPES[shape], job=bad)
    found = read_orders([node.pk], lambda _order: True)
    assert [message.order.start.job_id for _order, message in found.due] == [good.pk]
    assert Job.objects.get(pk=bad.pk).detail == f"{node.name}: the order cannot be written: ValueError"
    reconcile()


def test_a_cleaning_of_unknown_devices_takes_them_out_of_service() -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    client().delete(f"{V2}/scheduler/queue", {"id": job.pk}, format="json")
    make.answer(node, "STOP")
    spoil(Order, "devices", "x", verb="CLEAN", settled_at=None)
    assert read_orders([node.pk], lambda _order: True).due == []
    assert Device.objects.get(backend=node).why == "NOT_CLEANED"


@pytest.mark.parametrize("shape", SHAPES)
def test_a_tick_goes_on_without_the_heads_that_it_knew(shape: str) -> None:
    make.ready_backend(1)
    tick(DEFAULT_GROUP)
    spoil(Queue, "heads", SHAPES[shape])
    job = make.job()
    tick(DEFAULT_GROUP)
    assert Job.objects.get(pk=job.pk).status == "SUBMITTED"


def test_a_sweep_goes_on_without_the_wrong_logins_that_it_knew() -> None:
    nodes = [make.backend(1), make.backend(1)]
    spoil(Bmc, "wrong_logins", ["x", {}], pk=nodes[0].pk)
    work.sweep_power()
    assert set(Bmc.objects.values_list("error", flat=True)) == {"WEAK_AUTH"}


def test_what_was_sent_and_is_not_known_any_more_is_not_sent_again() -> None:
    node: Backend = make.backend(1, bmc_password="p4ss")
    action = request_power(node, PowerVerb.CYCLE, actor=make.ACTOR)
    claim = lease_action(action.pk)
    assert claim is not None
    record_sent(claim, PowerVerb.OFF)
    spoil(PowerAction, "sent", ["explode"])
    PowerAction.objects.update(lease_until=None)
    work.drive(action.pk)
    action.refresh_from_db()
    assert (action.state, action.code, action.sent) == ("UNKNOWN", "UNKNOWN", [])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_stopped_token_stays_stopped_whatever_is_kept_of_why(shape: str) -> None:
    token = make.token()
    Token.objects.update(stopped_at=db_now())
    spoil(Token, "stopped_for", SHAPES[shape])
    with pytest.raises(BudgetSpent, match="used up what it may use this month"):
        require_not_stopped(token)


@pytest.mark.parametrize("kept", [{"text": 5}, {"text": ["x"]}, {"values": {}}, {"text": "a", "details": 5}, {}])
def test_a_kept_sentence_that_is_none_says_nothing_or_what_it_has(kept: Any) -> None:
    assert render(kept) == ("a" if kept.get("text") == "a" else "")


def test_a_kept_sentence_without_its_values_is_said_as_it_is() -> None:
    kept = {"text": "%(changed)s devices changed, %(draining)s are draining", "values": {"changed": 1}}
    assert render(kept) == kept["text"]
