"""White space at the ends of texts: never stored, whoever gives it; rows that have some from before stay usable."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.choices import Role
from accounts.services.operators import create_operator, update_operator
from backends.models import Backend, Device
from backends.services.agents import Newcomer
from backends.services.enrolment import create_enrolment_key, enrol_backend
from backends.services.groups import create_backend_group
from backends.services.nodes import create_backend, update_backend
from billing.pricing import PriceList, Rate
from billing.services.prices import change_price, create_price
from events.models import Event
from protocol.v1 import agents_pb2 as pb
from scheduler.rpc.messages import parse_hello
from scheduler.services.workers import greet_agent
from sda.models import SdaModel
from sda.services.models import create_sda_model_group, update_sda_model
from sda.services.sdas import create_sda
from tests import make
from tests.admin_world import address, client_of
from tests.bulk.imports import carry_out, dry_run, fates
from tests.texts.test_rule import hello
from tokens.models import Token, TokenGroup
from tokens.services import create_token_group, update_token, update_token_group

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
BY: dict[str, Any] = {"actor": make.ACTOR}
AROUND, PLAIN = " \u3000MI 250\t ", "MI 250"
DAY = date(2026, 1, 1)


@pytest.fixture
def browser() -> Client:
    return client_of(Role.MASTER)


def _node(text: str) -> Backend:
    made, _key = create_backend(
        name=text, ip="10.0.0.1", group=make.default_group(), devices=1, device_model=text, **BY
    )
    return made


def _enrolled(text: str) -> Backend:
    key = create_enrolment_key(group=make.default_group(), **BY)
    return enrol_backend(key, name=text, ip="10.0.0.1", instance_id="one", **BY)[0]


def _price(text: str) -> Any:
    return create_price(device_model=text, amount=Decimal(1), valid_from=DAY, **BY)


def _operator(text: str) -> Any:
    mail = f" {text.strip().replace(' ', '')}@example.com "
    return create_operator(
        username=text.replace("I ", "I"), email=mail, password="correct horse", role=Role.GENERAL, **BY
    )


STORED: dict[str, Callable[[str], object]] = {
    "a token": lambda text: make.token(description=text).description,
    "a token's change": lambda text: update_token(make.token(), description=text, **BY).description,
    "a user group": lambda text: create_token_group(name=text, **BY).name,
    "a user group's change": lambda text: update_token_group(_team(), description=text, **BY).description,
    "a node": lambda text: _node(text).name,
    "a device model": lambda text: _node(text).devices.get().model,
    "a node's change": lambda text: update_backend(make.backend(), name=text, **BY).name,
    "an enrolled node": lambda text: _enrolled(text).name,
    "a backend group": lambda text: create_backend_group(name=text, **BY).name,
    "an SDA model": lambda text: make.sda_model(name=text).name,
    "an SDA model's change": lambda text: update_sda_model(make.sda_model(), description=text, **BY).description,
    "an SDA model group": lambda text: create_sda_model_group(name=text, backend_group=make.default_group(), **BY).name,
    "an SDA": lambda text: create_sda(make.token(), make.sda_model(), alias=text, **BY).alias,
    "a price": lambda text: _price(text).device_model,
    "a price's change": lambda text: change_price(_price("A100"), device_model=text, **BY).device_model,
    "a job's program": lambda text: make.job(process_name=text).process_name,
}


def _team() -> TokenGroup:
    return create_token_group(name=uuid4().hex, **BY)


@pytest.mark.parametrize("case", STORED)
def test_a_text_is_stored_without_them_and_events_tell_what_is_stored(case: str) -> None:
    assert STORED[case](AROUND) == PLAIN
    told = [text for event in Event.objects.all() for text in event.request.values() if isinstance(text, str)]
    assert [text for text in told if text != text.strip()] == []


def test_an_operator_s_name_and_address_are_stripped_and_stay_verified() -> None:
    made = _operator(AROUND)
    assert (made.username, made.email) == ("MI250", "MI250@example.com")
    same = update_operator(made, email=" MI250@example.com ", username="MI250 ", **BY)
    assert (same.username, same.email, same.email_verified_at) == ("MI250", "MI250@example.com", made.email_verified_at)


def test_a_device_that_an_agent_names_with_blanks_has_the_price_of_its_model() -> None:
    node = _enrolled("gpu-1")
    said = hello(devices=[pb.DeviceInfo(index=0, model="  MI 250 ")])
    greet_agent(Newcomer(node, parse_hello(said), {}, uuid4(), make.ACTOR))
    assert Device.objects.get().model == _price("MI 250").device_model == "MI 250"


def test_usage_of_before_has_the_price_of_its_model_too() -> None:
    rate = Rate(1, None, "MI250", Decimal(1), DAY, None)
    assert PriceList([rate]).rate(7, "MI250 ", DAY) is rate


def test_a_file_makes_one_node_of_one_name(browser: Client) -> None:
    dry = dry_run(
        browser, Backend, "name,ip,device_count,device_model\n sp1 ,10.1.1.1,1,MI250 \nsp1,10.1.1.2,1,MI250\n"
    )
    assert [state for state, _told in fates(dry)] == ["DONE", "FAILED"]
    carry_out(browser, dry)
    assert [*Device.objects.values_list("backend__name", "model")] == [("sp1", "MI250")]


def test_a_file_finds_the_row_whose_name_it_writes_with_blanks(browser: Client) -> None:
    team, model = create_token_group(name="team", **BY), make.sda_model(name="model")
    for noun, text in (
        (TokenGroup, "name,description\n team ,\n"),
        (SdaModel, f"name,num_devices\nmodel ,{model.num_devices}\n"),
        (Token, 'description,groups\na,"["" team""]"\n'),
    ):
        told = fates(dry_run(browser, noun, text))
        assert told == [("DONE", "New.") if noun is Token else ("SKIPPED", "Unchanged.")], noun
    assert (TokenGroup.objects.get(), SdaModel.objects.get()) == (team, model)


def test_a_row_of_before_can_be_saved_unchanged_and_renamed(browser: Client) -> None:
    older, _taken = create_token_group(name="older", **BY), create_token_group(name="sp1", **BY)
    TokenGroup.objects.filter(pk=older.pk).update(name=" sp1 ", description=" of before")
    page = address(TokenGroup, "change", older.pk)
    sent = {"name": " sp1 ", "description": " of before", "index": 0}
    assert browser.post(page, sent).status_code == 302
    assert browser.post(page, {**sent, "index": 7}).status_code == 302
    older.refresh_from_db()
    assert (older.name, older.index) == (" sp1 ", 7)
    refused: Any = browser.post(page, {**sent, "name": "sp1"})
    assert refused.context["adminform"].form.errors == {"name": ["This name is taken."]}
    browser.post(page, {**sent, "name": "other "})
    older.refresh_from_db()
    assert older.name == "other"


def test_our_own_file_of_rows_of_before_changes_nothing(browser: Client) -> None:
    older = create_token_group(name="older", **BY)
    TokenGroup.objects.filter(pk=older.pk).update(name=" sp1 ", description=" of before")
    exported: Any = browser.get(address(TokenGroup, "export_csv"))
    dry = dry_run(browser, TokenGroup, b"".join(exported.streaming_content))
    assert fates(dry) == [("SKIPPED", "Unchanged.")]
