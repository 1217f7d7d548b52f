"""The rule of texts through the shell, REST, forms, imports and gRPC: the parameter is named and nothing is stored."""

import io
import json
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.choices import Role
from accounts.login.oidc import operator_of
from backends.models import Agent, Backend, Device
from backends.services.agents import Newcomer
from bulk.models import BulkAction, SentForm
from bulk.services import BulkRequest, begin_bulk
from core.stored_text import render
from events.models import Event
from moreh_cloud.management.commands.prepare import _make_administrator
from protocol.v1 import agents_pb2 as pb
from scheduler.rpc.messages import parse_hello
from scheduler.services.workers import greet_agent
from sda.models import SdaModel
from tests import make
from tests.admin_world import address, client_of
from tests.api import V2, client, refused
from tests.bulk.imports import dry_run, send
from tests.texts.test_rule import BREAK, CONTROL, HALF, LONG, hello
from tokens.models import Token, TokenGroup

SHELL = {
    "a name": (["a\x1bb"], "correct horse battery", "username"),
    "a byte that is no UTF-8": (["a\udcff"], "correct horse battery", "username"),
    "a password": (["kim"], "correct horse\x1b", "password"),
    "a password that is no UTF-8": (["kim"], "correct horse\udcff", "password"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("case", SHELL)
def test_the_shell_is_refused_in_one_line(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, password, named = SHELL[case]
    if "\0" not in password and "\udcff" not in password:
        monkeypatch.setenv("MOREH_ADMIN_PASSWORD", password)
    else:
        monkeypatch.delenv("MOREH_ADMIN_PASSWORD", raising=False)
        monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
    with pytest.raises(CommandError, match=named) as refusal:
        call_command("create_operator", *arguments)
    assert "['" not in str(refusal.value)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("username", "password", "named"),
    [
        ("kim", "abc\tdefghij-9", "MOREH_ADMIN_PASSWORD cannot be used: Line breaks and tabs are not allowed."),
        ("kim", "abc\0defghij-9", "MOREH_ADMIN_PASSWORD cannot be used: Control characters are not allowed."),
        ("kim\tlee", "abc-defghij-9", "MOREH_ADMIN_USER cannot be used: Line breaks and tabs are not allowed."),
    ],
)
def test_what_up_cannot_use_is_said_with_its_setting(username: str, password: str, named: str) -> None:
    with pytest.raises(CommandError) as refusal:
        _make_administrator(username, password)
    assert str(refusal.value).startswith(named)


@pytest.mark.django_db
@pytest.mark.parametrize("email", ["a\0@example.com", "a\ud800@example.com", ["a@example.com"], 7])
def test_a_provider_s_address_that_is_no_text_is_nobody(email: Any) -> None:
    assert operator_of({"email": email, "email_verified": True}) is None


REST: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "a variable's name": ("/token", {"desc": "x", "env": {"\ud800": "x"}}, ["env"]),
    "a variable's name in JSON text": ("/token", {"desc": "x", "env": '{"\\ud800": "x"}'}, ["env"]),
    "a variable's value": ("/token", {"desc": "x", "env": {"A": "\udfff"}}, ["env"]),
    "a variable's control": ("/token", {"desc": "x", "env": {"A": "\x1b"}}, ["env"]),
    "a parameter's name": ("/token", {"desc": "x", "\ud800": "x"}, ["body"]),
    "a list": ("/token/group", {"label": "x", "tokens": ["\ud800"]}, ["tokens"]),
    "a line break in a name": ("/token/group", {"label": "a\nb"}, ["label"]),
    "a line break in a description": (
        "/sdamodel", {"name": "m", "numDevices": 1, "desc": "a\rb"}, ["desc"],
    ),
    "a tab in a name": ("/token", {"desc": "a\tb"}, ["desc"]),
}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("case", REST)
def test_rest_names_the_parameter_and_stores_nothing(case: str) -> None:
    path, body, named = REST[case]
    events = Event.objects.count()
    answer = client().post(V2 + path, json.dumps(body), content_type="application/json")
    assert refused(answer) == (400, "INVALID_PARAMETER", named)
    assert (Token.objects.count(), TokenGroup.objects.count(), SdaModel.objects.count()) == (0, 0, 0)
    assert Event.objects.count() == events


TOKEN = {"description": "a", "priority": 0, "max_sda_count": 1, "max_duplicates": 1, "access_level": "USER"}
NODE = {
    "name": "n", "group": 0, "type": "UCX", "ip": "10.0.0.1", "port": 1, "bmc_ip": "127.0.0.1", "bmc_port": 623,
}  # fmt: skip
FORMS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "a token": (Token, {**TOKEN, "description": "a\x1bb"}, "description"),
    "a variable": (Token, {**TOKEN, "env-name": ["A"], "env-value": ["\x1b"]}, "env"),
    "an SDA model": (SdaModel, {"name": "a\x07b", "num_devices": 1}, "name"),
    "a user group": (TokenGroup, {"name": "a\u2028b", "index": 0}, "name"),
    "a BMC's user": (Backend, {**NODE, "bmc_user": "x" * 17}, "bmc_user"),
    "a BMC's password": (Backend, {**NODE, "bmc_password": "x" * 21}, "bmc_password"),
    "a device model": (Backend, {**NODE, "device_model": "a\x1b"}, "device_model"),
}


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
@pytest.mark.parametrize("case", FORMS)
def test_a_form_says_it_at_the_field(case: str) -> None:
    model, data, named = FORMS[case]
    answer: Any = client_of(Role.MASTER).post(address(model, "add"), data)
    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == [named]
    assert not model.objects.exists()


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


COLUMNS, CELLS = "name,ip,bmc_ip", "n,10.0.0.1,127.0.0.1"
IMPORTS: dict[str, tuple[Any, str, str]] = {
    "half in a description": (Token, '[{"description": "\\ud800"}]', f"(description: {HALF})"),
    "half in a variable's name": (Token, '[{"description": "a", "env": {"\\ud800": "x"}}]', f"(env: {HALF})"),
    "half in a variable's value": (Token, '[{"description": "a", "env": {"A": "\\ud800"}}]', f"(env: {HALF})"),
    "half in JSON in CSV": (Token, 'description,env\na,"{""\\ud800"": ""x""}"\n', "(env: \ufffd)"),
    "half in a list": (Token, '[{"description": "a", "groups": ["\\ud800"]}]', f"(groups: {HALF})"),
    "half in a list in CSV": (Token, 'description,groups\na,"[""\\ud800""]"\n', "(groups: It cannot be read.)"),
    "half in a name": (TokenGroup, '[{"name": "\\ud800"}]', f"(name: {HALF})"),
    "NUL in a description": (Token, '[{"description": "a\\u0000b"}]', f"(description: {CONTROL})"),
    "escape in a group": (TokenGroup, '[{"name": "\\u001b[31m"}]', f"(name: {CONTROL})"),
    "bell in a model": (SdaModel, "name,num_devices\n\x07,1\n", f"(name: {CONTROL})"),
    "NUL in a variable": (Token, '[{"description": "a", "env": {"A": "\\u0000"}}]', f"(env: {CONTROL})"),
    "a line break": (TokenGroup, 'name\n"a\nb"\n', f"(name: {BREAK})"),
    "a long device model": (Backend, f"{COLUMNS},device_model\n{CELLS},{'x' * 65}\n", f"(device_model: {LONG})"),
    "a long user": (Backend, f"{COLUMNS},bmc_user\n{CELLS},{'x' * 17}\n", "(parameter: bmc_user)"),
    "a long password": (Backend, f"{COLUMNS},bmc_password\n{CELLS},{'비' * 7}\n", "(parameter: bmc_password)"),
}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
@pytest.mark.parametrize("case", IMPORTS)
def test_an_import_names_row_and_column_and_shows_its_page(case: str, browser: Client) -> None:
    model, text, told = IMPORTS[case]
    dry = dry_run(browser, model, text)
    (item,) = dry.items.all()
    assert (item.state, told in render(item.message)) == ("FAILED", True), render(item.message)
    assert browser.get(address(BulkAction, "change", dry.pk)).status_code == 200
    assert not model.objects.exclude(pk=0).exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
def test_a_column_that_cannot_be_written_is_told_on_the_page(browser: Client) -> None:
    answer = send(browser, Token, '[{"\\ud800": 1}]')
    assert answer.status_code == 200
    assert "These columns are not known. (columns: \ufffd" in answer.context["problem"]


@pytest.mark.django_db
def test_what_an_agent_or_a_client_reports_is_cleaned() -> None:
    node = make.backend(0)
    said = hello(
        agent_version="1.0\x1b" + "v" * 900,
        host_name="h\nh",
        devices=[pb.DeviceInfo(index=0, model="MI\x07" + "x" * 99)],
    )

    greet_agent(Newcomer(node, parse_hello(said), {}, uuid4(), make.ACTOR))
    agent, device = Agent.objects.get(), Device.objects.get()
    assert (agent.version, agent.host_name) == (("1.0\ufffd" + "v" * 900)[:64], "h h")
    assert device.model == ("MI\ufffd" + "x" * 99)[:64]
    assert Event.objects.get(action="AGENT_HELLO").request["version"] == agent.version
    job = make.job(process_name="train\x1b[31m\0.py\n", framework="torch\x07", version="1\r2")
    assert (job.process_name, job.framework, job.version) == ("train\ufffd[31m\ufffd.py", "torch\ufffd", "1 2")


@pytest.mark.django_db
def test_what_a_form_sent_with_a_bulk_action_can_be_stored() -> None:
    operator = make.operator()
    order = BulkRequest("backends.Backend", "activate", [(1, "a\x1b\nb")], {"force": ["on\0"]})
    bulk = begin_bulk(order, operator=operator, actor=make.ACTOR, key="k\0")
    bulk.refresh_from_db()
    assert (bulk.data, bulk.items.get().name) == ({"force": ["on\ufffd"]}, "a\ufffd b")
    assert SentForm.objects.get().key == "k\ufffd"
