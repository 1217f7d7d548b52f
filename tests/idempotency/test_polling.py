"""ETag: who asks again gets 304 while nothing changed, and never after it did."""

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F
from rest_framework.test import APIClient

from accounts.choices import Role
from alerts.codes import Code
from alerts.services import raise_alert
from alerts.subjects import node as node_subject
from backends.choices import PowerStatus
from backends.models import Backend, BackendGroupFieldValue, Card, NodeFieldValue, Telemetry
from backends.services.power_readings import PowerReading, store_power_readings
from bulk.services import BulkRequest, begin_bulk
from core.clock import db_now
from core.frozen import thaw
from idempotency.watching import count_rows, fold_stamps, read_stamps, watch_tables
from inventory.models import Tag
from inventory.services import create_custom_field
from scheduler.cycle.tick import tick
from scheduler.services.jobs import finish_job, set_job_priority
from sda.models import SdaModel, SdaModelFieldValue
from sda.services.models import add_model_to_group
from tests import make
from tests.api import V2, client, entitle
from tokens import services as tokens
from tokens.models import Token, TokenFieldValue

pytestmark = pytest.mark.django_db
TOKENS = f"{V2}/token"


def poll(api: APIClient, address: str, tag: str, **asked: Any) -> tuple[int, str]:
    answer = api.get(address, asked, HTTP_IF_NONE_MATCH=tag)
    assert answer.status_code == 200 or answer.content == b""
    return answer.status_code, answer["ETag"]


CHEAP = {
    f"{V2}/backend": 3,
    f"{V2}/backend/group": 3,
    f"{V2}/sdamodel": 3,
    f"{V2}/sdamodel/group": 3,
    f"{V2}/sda": 3,
    f"{V2}/sda/utilizations": 3,
    f"{V2}/token": 3,
    f"{V2}/token/group": 3,
    f"{V2}/scheduler/history": 3,
    f"{V2}/membership": 3,
    f"{V2}/log/sdamanager/event": 3,
}


@pytest.mark.parametrize("expand", ["", "tokenlist"])
@pytest.mark.parametrize("address", CHEAP)
def test_asking_again_reads_only_stamps(address: str, expand: str, django_assert_num_queries: Any) -> None:
    node = make.ready_backend(2)
    entitle(make.running_job(node).token, make.default_group(), make.sda_model())
    finish_job(make.job(), exit_code=0, actor=make.ACTOR)
    api = client()
    first = api.get(address, {"expand": expand})
    assert (first.status_code, first["Cache-Control"].partition(",")[0]) == (200, "private")
    with django_assert_num_queries(CHEAP[address]):  # session, operator, stamps
        assert poll(api, address, first["ETag"], expand=expand) == (304, first["ETag"])


def test_usage_is_compared_by_what_it_says() -> None:
    asked = {"starttime": "2026-01-01", "endtime": "2026-01-02"}
    api = client()
    tag = api.get(f"{V2}/usage", asked)["ETag"]
    assert poll(api, f"{V2}/usage", tag, **asked) == (304, tag)
    make.backend(1)
    assert poll(api, f"{V2}/usage", tag, **asked)[0] == 200


def test_the_queue_is_compared_by_what_it_says_for_estimates_move_without_a_row() -> None:
    make.running_job(make.ready_backend(1))
    api = client()
    tag = api.get(f"{V2}/scheduler/queue")["ETag"]
    assert poll(api, f"{V2}/scheduler/queue", tag) == (304, tag)
    make.job()
    assert poll(api, f"{V2}/scheduler/queue", tag)[0] == 200


class World:
    """A node with a running job, one that waits, and one that is over."""

    def __init__(self) -> None:
        self.node = make.ready_backend(2)
        self.running = make.running_job(self.node)
        self.waiting = make.job(num_devices=2)
        self.model = make.sda_model()
        self.group = entitle(self.running.token, make.default_group(), self.model)
        self.team = self.running.token.groups.get()


# what changes: (whose list must say so, what to do)
CHANGES: dict[str, tuple[str, Callable[[World], Any]]] = {
    "a token's description": (
        "token",
        lambda w: tokens.update_token(w.waiting.token, description="new", actor=make.ACTOR),
    ),
    "a token more": ("token", lambda _w: make.token()),
    "a token's group": ("token", lambda w: tokens.add_token_to_group(w.waiting.token, w.team, actor=make.ACTOR)),
    "a group's name": ("token/group", lambda w: tokens.update_token_group(w.team, name="other", actor=make.ACTOR)),
    "the token of a group": (
        "token/group",
        lambda w: tokens.update_token(w.running.token, description="new", actor=make.ACTOR),
    ),
    "a node more": ("backend", lambda _w: make.backend(1)),
    "what a BMC says": (
        "backend",
        lambda w: store_power_readings({w.node.pk: PowerReading(PowerStatus.ON)}, at=db_now()),
    ),
    "an agent's hello": ("backend", lambda w: make.hello(w.node, 2)),
    "who holds a device": ("backend", lambda w: finish_job(w.running, exit_code=0, actor=make.ACTOR)),
    "a model in a group": ("sdamodel", lambda w: add_model_to_group(make.sda_model(), w.group, actor=make.ACTOR)),
    "a model of a group": (
        "membership",
        lambda w: add_model_to_group(make.sda_model(), w.group, actor=make.ACTOR),
    ),
    "an SDA more": ("sda", lambda _w: make.sda()),
    "what an SDA holds": ("sda", lambda w: finish_job(w.running, exit_code=0, actor=make.ACTOR)),
    "a job's priority": ("scheduler/queue", lambda w: set_job_priority(w.waiting, 9, actor=make.ACTOR)),
    "why a job waits": ("scheduler/queue", lambda _w: tick(0)),
    "a job that ended": ("scheduler/history", lambda w: finish_job(w.running, exit_code=0, actor=make.ACTOR)),
    "an event more": ("log/sdamanager/event", lambda _w: make.token()),
}


@pytest.mark.parametrize("case", CHANGES)
def test_the_next_answer_tells_of(case: str) -> None:
    noun, change = CHANGES[case]
    world, api = World(), client()
    first = api.get(f"{V2}/{noun}")
    change(world)
    second = api.get(f"{V2}/{noun}", HTTP_IF_NONE_MATCH=first["ETag"])
    assert second.status_code == 200
    assert second.content != first.content
    assert poll(api, f"{V2}/{noun}", second["ETag"])[0] == 304


def test_what_does_not_concern_a_list_leaves_it_as_it_is() -> None:
    api = client()
    tag = api.get(f"{V2}/sdamodel")["ETag"]
    make.token()
    assert poll(api, f"{V2}/sdamodel", tag)[0] == 304


def test_a_tag_is_good_only_for_its_question() -> None:
    make.token()
    api = client()
    tag = api.get(TOKENS)["ETag"]
    assert poll(api, TOKENS, tag, limit=1)[0] == 200
    assert poll(api, f"{TOKENS}/group", tag)[0] == 200
    assert poll(client(Role.READ_ONLY), TOKENS, tag)[0] == 200
    assert api.get(TOKENS, HTTP_IF_NONE_MATCH=tag, HTTP_ACCEPT_LANGUAGE="ko").status_code == 200
    assert api.get(TOKENS, HTTP_IF_NONE_MATCH=tag, HTTP_ACCEPT="text/csv").status_code == 200
    assert poll(client(), TOKENS, tag)[0] == 304  # another operator who sees the same


@pytest.mark.parametrize("tag", ["*", '"x"', 'W/"zz.00"', 'W/"ffffffff.' + "0" * 32 + '"', "\x00", "W/"])
def test_a_tag_of_nobody_gets_the_answer(tag: str) -> None:
    assert poll(client(), TOKENS, tag)[0] == 200


def test_one_of_several_tags_is_enough() -> None:
    api = client()
    tag = api.get(TOKENS)["ETag"]
    assert poll(api, TOKENS, f'"other", {tag}')[0] == 304


def test_an_answer_to_bad_parameters_has_no_tag() -> None:
    answer = client().get(TOKENS, {"limit": "many"})
    assert (answer.status_code, answer.get("ETag")) == (400, None)


def test_what_was_rolled_back_never_happened() -> None:
    before = read_stamps()
    with transaction.atomic():
        make.token()
        transaction.set_rollback(True)
    assert read_stamps() == before


def test_rows_are_counted_as_they_come_and_go() -> None:
    one, two = make.token(), make.token()
    assert count_rows("tokens_token") == 2
    assert count_rows("tokens_token", without=Token.objects.filter(pk=one.pk)) == 1
    Token.objects.filter(pk=two.pk).delete()
    assert count_rows("tokens_token") == 1


def test_an_update_of_no_row_changes_no_stamp() -> None:
    before = read_stamps()
    Backend.objects.filter(pk=-1).update(name="x")
    assert read_stamps() == before


def _inventory(node: Backend) -> None:
    """Let each noun have a value of a custom field, and the node a tag and a card."""
    node.tags.add(Tag.objects.create(name="hot", key="hot"))
    Card.objects.create(device=node.devices.get(), uuid="GPU-1", since=db_now())
    targets = {
        NodeFieldValue: node,
        BackendGroupFieldValue: node.group,
        TokenFieldValue: Token.objects.latest("pk"),
        SdaModelFieldValue: SdaModel.objects.latest("pk"),
    }
    for kind, target in targets.items():
        field = create_custom_field(noun=kind.noun, name="owner", actor=make.ACTOR)
        kind.rows().create(field=field, target=target, value="vision")


def test_every_watched_table_is_stamped() -> None:
    assert set(read_stamps()) <= set(settings.MOREH_WATCHED_TABLES)
    watch_tables("default")  # a second time is no harm
    thaw()  # events never change
    node = make.ready_backend(1)
    make.running_job(node)
    store_power_readings({node.pk: PowerReading(PowerStatus.ON)}, at=db_now())
    Telemetry.objects.create(device=node.devices.get(), utilization=1, at=db_now())
    entitle(make.token(), make.default_group(), make.sda_model())
    _inventory(node)
    begin_bulk(
        BulkRequest("backends.Backend", "drain", [(node.pk, node.name)]), operator=make.operator(), actor=make.ACTOR
    )
    raise_alert(Code.CHECK_FAILED, node_subject(node.pk), node=node.name, error="A GPU fell off the bus.")
    watched = {model._meta.db_table: model for model in apps.get_models(include_auto_created=True)}
    for table in settings.MOREH_WATCHED_TABLES:
        rows = watched[table]._base_manager.all()
        assert count_rows(table) == rows.count() > 0, table
        before = read_stamps()[table]
        some = next(field.name for field in rows.model._meta.fields if not field.primary_key)
        rows.update(**{some: F(some)})
        assert read_stamps()[table] != before, table


@pytest.mark.django_db(transaction=True)
def test_a_flushed_database_has_no_rows() -> None:
    make.token()
    thaw()
    call_command("flush", interactive=False, verbosity=0, allow_cascade=True)
    assert count_rows("tokens_token") == 0
    make.token()
    assert count_rows("tokens_token") == 1


@pytest.mark.django_db(transaction=True)
def test_stamps_of_connections_that_are_gone_fold_into_one_and_the_rows_stay() -> None:
    def elsewhere() -> None:
        make.token()
        connection.close()

    for _ in range(3):
        thread = Thread(target=elsewhere)
        thread.start()
        thread.join()
    make.token()
    connection.close()
    fold_stamps()
    assert (count_rows("tokens_token"), Token.objects.count()) == (4, 4)
    fold_stamps()
    assert count_rows("tokens_token") == 4


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_not_committed_yet_makes_no_304_afterwards() -> None:
    api = client()
    token = make.token(description="old")
    seen: list[str] = []

    def look() -> None:
        reader = APIClient()
        reader.cookies = api.cookies
        seen.append(reader.get(TOKENS)["ETag"])
        connection.close()

    tag = api.get(TOKENS)["ETag"]
    if connection.vendor == "postgresql":  # SQLite lets a reader in as well, but here one writer is enough
        with transaction.atomic():
            tokens.update_token(token, description="new", actor=make.ACTOR)
            thread = Thread(target=look)
            thread.start()
            thread.join()
        assert seen == [tag]
    else:
        tokens.update_token(token, description="new", actor=make.ACTOR)
    assert poll(api, TOKENS, tag)[0] == 200
