"""Bad input of every parameter of every address gets the documented error, names the parameter and changes nothing."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from rest_framework.test import APIClient

from backends.services.groups import create_backend_group
from core.crypto import Cipher
from sda.services.models import create_sda_model_group
from tests import make
from tests.api import client, entitle, refused
from tests.rest.contract import PARAMETERS
from tests.rest.test_contract import V2, operation, parameters, schema_of
from tokens.services import create_token_group

pytestmark = pytest.mark.django_db
BAD = (400, "INVALID_PARAMETER")
UNKNOWN = (404, "NOT_FOUND")
NOBODY = {"integer": 10**12, "string": "nobody's", "array": [10**12]}
REFERENCES = {
    "id",
    "group",
    "backend",
    "sdamodel",
    "model",
    "groupId",
    "parentId",
    "childId",
    "token",
    "sdaId",
    "sdaid",
}
REFERENCES |= {"targetSdaId", "backends", "sdamodels", "tokens"}
NOT_BY_ID = {("POST backend/group", "group")}  # there it is a name
OURS = ("tokens", "backends", "sda", "scheduler", "usage", "events")
World = dict[str, dict[str, Any]]


@pytest.fixture
def api() -> APIClient:
    return client()


@pytest.fixture
def world() -> World:
    """Give, for every write, parameters with which it would be carried out."""
    node, free, model = make.backend(1), make.token(), make.sda_model()
    racks, team = (
        create_backend_group(name="racks", actor=make.ACTOR),
        create_token_group(name="team", actor=make.ACTOR),
    )
    mine = make.sda()
    models = entitle(mine.token, make.default_group(), mine.model)
    crew = models.memberships.get().token_group
    empty = create_sda_model_group(name="empty", backend_group=make.default_group(), actor=make.ACTOR)
    job = make.job(make.sda())
    owned = {"token": mine.token.value}
    return {
        "POST backend": {"node": "10.9.9.9", "label": "new", "group": 0, "workerip": "10.9.9.9"},
        "PUT backend": {"command": "update", "id": node.pk},
        "DELETE backend": {"id": node.pk},
        "POST backend/group": {"label": "new"},
        "PUT backend/group": {"id": racks.pk},
        "DELETE backend/group": {"id": create_backend_group(name="empty", actor=make.ACTOR).pk},
        "PUT backend/device/status": {"id": node.pk, "status": "BUSY"},
        "POST backend/grouping": {"group": racks.pk, "backend": node.pk},
        "PUT backend/grouping": {"group": racks.pk, "backend": node.pk},
        "DELETE backend/grouping": {"group": racks.pk, "backend": make.backend(1, group=racks).pk},
        "POST sdamodel": {"name": "new", "numDevices": 1},
        "DELETE sdamodel": {"sdamodel": model.pk},
        "POST sdamodel/grouping": {"sdamodel": model.pk, "group": models.pk},
        "DELETE sdamodel/grouping": {"sdamodel": mine.model_id, "group": models.pk},
        "POST sdamodel/group": {"label": "new"},
        "PUT sdamodel/group": {"id": models.pk},
        "DELETE sdamodel/group": {"id": empty.pk},
        "POST sda": {"model": model.pk, "token": free.value, "desc": "", "reserved": False},
        "PUT sda": {**owned, "model": mine.model_id},
        "DELETE sda": owned,
        "POST token": {"desc": "new"},
        "PUT token": {"token": free.value, "priority": 1},
        "DELETE token": {"token": free.value},
        "POST token/grouping": {"group": team.pk, "token": free.value},
        "DELETE token/grouping": {"group": crew.pk, **owned},
        "POST token/group": {"label": "new"},
        "PUT token/group": {"id": team.pk},
        "DELETE token/group": {"id": team.pk},
        "PUT scheduler/queue": {"id": job.pk, "priority": 1},
        "DELETE scheduler/queue": {"id": job.pk},
        "POST membership": {"parentId": team.pk, "childId": models.pk},
        "DELETE membership": {"parentId": crew.pk, "childId": models.pk},
    }


WRITES = [address for address in PARAMETERS if not address.startswith("GET")]
READS = [address for address in PARAMETERS if address.startswith("GET")]


def bad_values(described: dict[str, Any]) -> Iterator[Any]:
    """Return what a parameter of this description cannot be."""
    if "enum" in described:
        yield from ("no such word", 7, {"a": 1})
    elif described["type"] == "string":
        yield from ("x" * 5000, "a\x00b", "a\x1bb", {"a": 1}, [1])
    elif described["type"] == "integer":
        yield from ("many", "1.5", 2**64, -(2**64), {"a": 1}, [[1]], "", True)
        if not described.get("nullable"):
            yield None
    elif described["type"] == "boolean":
        yield from ("perhaps", {"a": 1}, 7)
    else:
        yield from ("not\x00one", [{"a": [1]}])


def ask(api: APIClient, address: str, asked: dict[str, Any]) -> Any:
    method, path = address.split(" ")
    return getattr(api, method.lower())(path if path.startswith("/") else V2 + path, asked, format="json")


def everything() -> str:
    """Return every row of ours, its secrets as they are stored."""
    rows = {model: list(model._default_manager.order_by("pk").values_list()) for app in OURS for model in _models(app)}
    return repr([(model, [[_stored(value) for value in row] for row in found]) for model, found in rows.items()])


def _stored(value: object) -> object:
    return value.text if isinstance(value, Cipher) else value


def _models(app: str) -> list[Any]:
    return list(apps.get_app_config(app).get_models(include_auto_created=True))


def cases(address: str, good: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], tuple[int, str]]]:
    """Return bad requests of an address: which parameter is to be named, the parameters, the failure."""
    yield "nonsense", {**good, "nonsense": 1}, BAD
    for name, required in parameters(address).items():
        described = schema_of(address, name)
        if required:
            yield name, {key: value for key, value in good.items() if key != name}, BAD
        for value in bad_values(described):
            yield name, {**good, name: value}, BAD
        if name in REFERENCES and (address, name) not in NOT_BY_ID:
            unknown = "nobody's" if name == "tokens" else NOBODY[described["type"]]
            yield name, {**good, name: unknown}, UNKNOWN


@pytest.mark.parametrize("address", WRITES)
def test_every_parameter_of(address: str, api: APIClient, world: World) -> None:
    before, good = everything(), world[address]
    for name, asked, failure in cases(address, good):
        status, code, named = refused(ask(api, address, asked))
        assert (status, code) == failure, (name, asked)
        assert name in named, (name, asked, named)
    assert everything() == before
    assert ask(api, address, good).status_code == 200
    assert everything() != before


SPOILT: dict[str, tuple[Callable[[str], tuple[Any, str]], int, str]] = {
    "a body of no known type": (lambda text: (text, "text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE"),
    "broken JSON": (lambda text: (text[:-1], "application/json"), 400, "INVALID_PARAMETER"),
    "a list": (lambda text: (f"[{text}]", "application/json"), 400, "INVALID_PARAMETER"),
    "no UTF-8": (lambda _text: (b'{"id": "\xff"}', "application/json"), 400, "INVALID_PARAMETER"),
    "half of a character": (lambda _text: ('{"id": "\\ud800"}', "application/json"), 400, "INVALID_PARAMETER"),
    "very deep JSON": (lambda _text: ("[" * 100_000, "application/json"), 400, "INVALID_PARAMETER"),
    "10 MB": (lambda text: (text + " " * 10_000_000, "application/json"), 413, "PAYLOAD_TOO_LARGE"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_every_write_refuses(case: str, api: APIClient, world: World) -> None:
    spoil, status, code = SPOILT[case]
    before = everything()
    for address in WRITES:
        method, path = address.split(" ")
        body, kind = spoil(json.dumps(world[address]))
        answer = getattr(api, method.lower())(V2 + path, body, content_type=kind)
        assert refused(answer)[:2] == (status, code), address
    assert everything() == before


@pytest.mark.parametrize("address", READS)
def test_every_filter_of(address: str, api: APIClient) -> None:
    good = {name: "2026-01-01" for name, required in parameters(address).items() if required}
    for name in parameters(address):
        for value in bad_filters(schema_of(address, name)):
            status, code, named = refused(_get(api, address, {**good, name: value}))
            assert (status, code, name in named) == (*BAD, True), (name, value)
    assert _get(api, address, {**good, "nonsense": 1}).status_code in (200, 503)  # in GET no error


def bad_filters(described: dict[str, Any]) -> Iterator[Any]:
    """Return what a filter of this description cannot be, as a text of the query string."""
    described = described.get("items", described)
    if described["type"] == "integer":
        yield from ("many", "1.5", str(2**64), str(-(2**64)))
    elif "enum" in described:
        yield "no such word"
    elif described.get("format") == "date-time":
        yield from ("yesterday", "9999-12-31T23:59:59-12:00", "2026-13-01")
    else:
        yield "a\x00b"


def _get(api: APIClient, address: str, asked: dict[str, Any]) -> Any:
    path = address.split(" ")[1]
    return api.get(path if path.startswith("/") else V2 + path, asked)


def test_no_address_is_left_out(world: World) -> None:
    assert set(world) == set(WRITES)
    assert all(operation(address) for address in PARAMETERS)


@pytest.mark.parametrize(
    ("path", "name"), [("token/group", "tokens"), ("backend/group", "backends"), ("sdamodel/group", "sdamodels")]
)
@pytest.mark.parametrize("as_text", [False, True], ids=["list", "text"])
def test_a_list_that_is_longer_than_a_statement_is_named(api: APIClient, path: str, name: str, as_text: bool) -> None:
    numbers = ",".join(map(str, range(1, 260_000)))
    body = f'{{"label": "x", "{name}": ' + (f'"{numbers}"}}' if as_text else f"[{numbers}]}}")
    answer = api.generic("POST", f"{V2}{path}", body, content_type="application/json")
    assert refused(answer) == (*BAD, [name])


def test_a_text_to_filter_by_has_an_end(api: APIClient) -> None:
    assert api.get(f"{V2}outbox/channel", {"name": "x" * 512}).json() == []
    for address, name in (("outbox/channel", "name"), ("log/sdamanager/event", "action"), ("backend", "rack")):
        answer = api.get(f"{V2}{address}", {name: "x" * 100_000})
        assert (answer.status_code, list(answer.json()["details"])) == (400, [name])
