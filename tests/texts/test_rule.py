"""The rule of texts, and every service and interface that applies it."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from accounts.choices import Role
from accounts.services.operators import create_operator, update_operator
from backends.services.enrolment import create_enrolment_key, enrol_backend
from backends.services.groups import create_backend_group, update_backend_group
from backends.services.nodes import create_backend, update_backend
from billing.services.prices import create_price
from console.services import rename_filter, save_filter
from core.errors import InvalidParameter
from core.texts import cleaned, legible, problem_in, problem_of, whole
from protocol.v1 import agents_pb2 as pb
from scheduler.rpc.messages import parse_hello
from sda.models import Sda, SdaModelGroup
from sda.services.models import create_sda_model, create_sda_model_group, update_sda_model, update_sda_model_group
from sda.services.sdas import create_sda
from tests import make
from tokens.models import Token, TokenGroup
from tokens.services import create_token, create_token_group, update_token, update_token_group

BY: dict[str, Any] = {"actor": make.ACTOR}
HALF = "A text holds half of a character."
CONTROL = "Control characters are not allowed."
BREAK = "Line breaks and tabs are not allowed."
LONG = "It is too long."
DAY = date(2026, 1, 1)
BAD = {
    "NUL": ("a\0b", CONTROL),
    "escape": ("\x1b[31m", CONTROL),
    "bell": ("a\x07", CONTROL),
    "DEL": ("a\x7f", CONTROL),
    "the other escape": ("a\x9b31m", CONTROL),
    "a code that is no character": ("a\uffff", CONTROL),
    "the first half": ("\ud800", HALF),
    "the second half": ("a\udfff", HALF),
    "halves in the wrong order": ("\udc00\ud800", HALF),
    "a new line": ("a\nb", BREAK),
    "a carriage return": ("a\rb", BREAK),
    "a tab": ("a\tb", BREAK),
    "a line separator": ("a\u2028b", BREAK),
    "513 letters": ("가" * 513, LONG),
}
GOOD = ["", "Kim", "한글 ガ 🚀", "a\u00a0b", "e\u0301", "<script>", "'=1+1", '"; DROP', "\u200fعربي", "x" * 512]


@pytest.mark.parametrize("case", BAD)
def test_a_line_that_is_refused_says_why(case: str) -> None:
    text, why = BAD[case]
    assert str(problem_of(text)) == why


def test_a_line_that_is_taken() -> None:
    assert [text for text in GOOD if problem_of(text)] == []


def test_lines_may_have_line_breaks_and_tabs() -> None:
    assert problem_of("-----BEGIN KEY-----\r\n\tabc\n", lines=True) is None
    assert {case for case, (text, _why) in BAD.items() if problem_of(text, lines=True)} == BAD.keys() - {
        "a new line", "a carriage return", "a tab", "a line separator",
    }  # fmt: skip


@pytest.mark.parametrize(
    "value", ["\ud800", ["\ud800"], {"a": {"b": ["c", "\ud800"]}}, {"\ud800": 1}, [{"a\ud800": 0}]]
)
def test_a_half_is_found_at_any_depth_and_read_as_what_can_be_written(value: object) -> None:
    assert str(problem_in(value)) == HALF
    assert problem_in(whole(value)) is None
    assert "\ufffd" in str(whole(value))


def test_what_machines_report_is_cleaned_and_cut() -> None:
    assert cleaned("a\r\n\tb\x1b[31m\0\ud800", 512) == "a   b\ufffd[31m\ufffd\ufffd"
    assert cleaned("x" * 900_000) == "x" * 512
    assert cleaned("  MI 250 \t") == "MI 250"
    assert cleaned("MI 250 ", 3) == "MI"
    assert legible("a\nb\x1b") == "a\nb\ufffd"


def _filter(name: str) -> object:
    return save_filter(make.operator(), "/admin/tokens/token/", name, "q=a", **BY)


def _renamed(name: str) -> object:
    saved = save_filter(make.operator(), "/admin/tokens/token/", "a", "q=a", **BY)
    return rename_filter(saved, name, operator=saved.operator, **BY)


def _operator(**fields: Any) -> object:
    given = {"username": "kim", "email": "kim@example.com", "password": "correct horse", "role": Role.GENERAL}
    return create_operator(**{**given, **fields}, **BY)


def _backend(**fields: Any) -> object:
    given = {"name": "n", "ip": "10.0.0.1", "bmc_ip": "127.0.0.1", "group": make.default_group()}
    return create_backend(**{**given, **fields}, **BY)


def _team() -> TokenGroup:
    return create_token_group(name=uuid4().hex, **BY)


def _enrolled(name: str) -> object:
    key = create_enrolment_key(group=make.default_group(), **BY)
    return enrol_backend(key, name=name, ip="10.0.0.1", instance_id="one", **BY)


def _model_group(**fields: Any) -> SdaModelGroup:
    return create_sda_model_group(**{"name": uuid4().hex, "backend_group": make.default_group(), **fields}, **BY)


def _price(device_model: str) -> object:
    return create_price(device_model=device_model, amount=Decimal(1), valid_from=DAY, **BY)


def _sda(alias: str) -> Sda:
    return create_sda(make.token(), make.sda_model(), alias=alias, **BY)


# Every service that keeps a text of a caller, with the parameter that is named.
SERVICES: dict[str, tuple[Callable[[str], object], str]] = {
    "a token": (lambda text: create_token(description=text, **BY), "description"),
    "a token's change": (lambda text: update_token(make.token(), description=text, **BY), "description"),
    "a variable's name": (lambda text: create_token(description="a", env={text: "x"}, **BY), "env"),
    "a variable's value": (lambda text: create_token(description="a", env={"A": text}, **BY), "env"),
    "a variable's change": (lambda text: update_token(make.token(), env={"A": "1", text: "x"}, **BY), "env"),
    "a user group": (lambda text: create_token_group(name=text, **BY), "label"),
    "its description": (lambda text: create_token_group(name="a", description=text, **BY), "description"),
    "a user group's change": (lambda text: update_token_group(_team(), name=text, **BY), "label"),
    "a node": (lambda text: _backend(name=text), "label"),
    "a node's description": (lambda text: _backend(description=text), "description"),
    "a node's change": (lambda text: update_backend(make.backend(), description=text, **BY), "description"),
    "a device model": (lambda text: _backend(device_model=text), "deviceModel"),
    "an enrolled node": (_enrolled, "label"),
    "a BMC's user": (lambda text: _backend(bmc_user=text), "user"),
    "a BMC's password": (lambda text: _backend(bmc_password=text), "pwd"),
    "a BMC's password later": (lambda text: update_backend(make.backend(), bmc={"password": text}, **BY), "pwd"),
    "a backend group": (lambda text: create_backend_group(name=text, **BY), "label"),
    "a backend group's change": (
        lambda text: update_backend_group(make.default_group(), description=text, **BY), "description",
    ),
    "an SDA model": (lambda text: create_sda_model(name=text, num_devices=1, **BY), "name"),
    "an SDA model's change": (lambda text: update_sda_model(make.sda_model(), description=text, **BY), "description"),
    "an SDA model group": (lambda text: _model_group(name=text), "label"),
    "an SDA model group's change": (
        lambda text: update_sda_model_group(_model_group(), description=text, **BY), "description",
    ),
    "an SDA's alias": (_sda, "desc"),
    "a price": (_price, "deviceModel"),
    "an operator": (lambda text: _operator(username=text), "username"),
    "an operator's address": (lambda text: _operator(email=f"{text}@example.com"), "email"),
    "an operator's password": (lambda text: _operator(password=f"correct horse {text}"), "password"),
    "an operator's new password": (
        lambda text: update_operator(make.operator(), password=f"long enough {text}", **BY), "password",
    ),
    "a filter": (_filter, "name"),
    "a filter's new name": (_renamed, "name"),
    "a job's request": (lambda text: make.job(request_id=text), "request_id"),
    "an agent's installation": (lambda text: parse_hello(hello(instance_id=text)), "instance_id"),
}  # fmt: skip


def hello(**fields: Any) -> pb.AgentMessage:
    return pb.AgentMessage(boot=1, sequence=1, hello=pb.Hello(**{"instance_id": "one", **fields}))


@pytest.mark.django_db
@pytest.mark.parametrize("case", SERVICES)
def test_a_service_refuses_and_names_the_parameter(case: str) -> None:
    call, named = SERVICES[case]
    wire = case == "an agent's installation"  # the protocol itself holds no halves
    for kind, (text, _why) in BAD.items():
        if (wire and _why == HALF) or kind == "513 letters":
            continue
        if "value" in case and _why == BREAK:
            continue  # a variable may hold a key of many lines
        if "filter" in case and _why == BREAK:
            continue  # they become blanks
        with pytest.raises(InvalidParameter) as caught:
            call(text)
        details = caught.value.details
        assert named in (*details, details.get("parameter")), (kind, details)


LENGTHS: dict[str, tuple[Callable[[str], object], int, str]] = {
    "a token": (lambda text: create_token(description=text, **BY), 512, "description"),
    "a variable's name": (lambda text: create_token(description="a", env={text: "x"}, **BY), 128, "env"),
    "a variable's value": (lambda text: create_token(description="a", env={"A": text}, **BY), 4096, "env"),
    "a user group": (lambda text: create_token_group(name=text, **BY), 128, "label"),
    "a node": (lambda text: _backend(name=text), 128, "label"),
    "a device model": (lambda text: _backend(device_model=text), 64, "deviceModel"),
    "a backend group": (lambda text: create_backend_group(name=text, **BY), 128, "label"),
    "an SDA model": (lambda text: create_sda_model(name=text, num_devices=1, **BY), 128, "name"),
    "an SDA model group": (lambda text: _model_group(name=text), 128, "label"),
    "an SDA's alias": (_sda, 512, "desc"),
    "a price": (_price, 64, "deviceModel"),
}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("case", LENGTHS)
def test_a_length_is_judged_in_characters(case: str) -> None:
    call, most, named = LENGTHS[case]
    assert call("가" * most)
    with pytest.raises(InvalidParameter) as caught:
        call("가" * (most + 1))
    assert named in caught.value.details


@pytest.mark.django_db
def test_an_environment_is_bounded_in_all() -> None:
    fits = {f"V{number}": "x" * 4000 for number in range(8)}
    assert create_token(description="a", env=fits, **BY).env == fits
    with pytest.raises(InvalidParameter) as caught:
        create_token(description="a", env={**fits, "ONE": "x" * 800}, **BY)
    assert caught.value.details == {"parameter": "env"}


@pytest.mark.django_db
def test_a_row_with_an_older_text_can_be_changed_elsewhere() -> None:
    token = make.token()
    Token.objects.filter(pk=token.pk).update(description="two\nlines", env={"\x07": "bell"})
    update_token(token, priority=5, **BY)
    update_token(token, max_devices=5, **BY)
    token.refresh_from_db()
    assert (token.description, token.priority, token.max_devices) == ("two\nlines", 5, 5)
