"""openapi.yaml keeps to the contract that portals already speak: every name, type and code of it is there."""

from collections.abc import Iterator
from typing import Any

import pytest

from core.api.failures import STATUS
from tests.rest.contract import CODES, OBJECTS, PARAMETERS, WORDS
from tests.schema import committed

SCHEMA = committed()
SHAPES: dict[str, Any] = SCHEMA["components"]["schemas"]
V2 = "/api/v2/"
# Which writes give which object; the others give nothing but their success.
RESULTS = {
    "POST backend": "Backend",
    "PUT backend": "Backend PowerAction",
    "POST backend/group": "BackendGroup",
    "PUT backend/group": "BackendGroup",
    "PUT backend/device/status": "DeviceVerdicts",
    "POST sdamodel": "SDAModel",
    "POST sdamodel/group": "SDAModelGroup",
    "PUT sdamodel/group": "SDAModelGroup",
    "POST sda": "SDA",
    "PUT sda": "SDA",
    "POST token": "Token",
    "PUT token": "Token",
    "POST token/group": "TokenGroup",
    "PUT token/group": "TokenGroup",
    "POST membership": "Membership",
    "DELETE membership": "Membership",
}
LISTS = {
    "GET backend": "Backend",
    "GET backend/group": "BackendGroup",
    "GET sdamodel": "SDAModel",
    "GET sdamodel/group": "SDAModelGroup",
    "GET sda": "SDA",
    "GET sda/utilizations": "JobUse",
    "GET token": "Token",
    "GET token/group": "TokenGroup",
    "GET scheduler/queue": "JobInfo",
    "GET membership": "Membership",
    "GET log/sdamanager/event": "Event",
}


def operation(address: str) -> dict[str, Any]:
    method, path = address.split(" ")
    found: dict[str, Any] = SCHEMA["paths"][path if path.startswith("/") else V2 + path][method.lower()]
    return found


def parameters(address: str) -> dict[str, bool]:
    """Return the parameters of an address, wherever they stand, and whether they are required."""
    described = operation(address)
    found = {one["name"]: one.get("required", False) for one in described.get("parameters", []) if one["in"] == "query"}
    if body := described.get("requestBody"):
        shape = SHAPES[_reference(body["content"]["application/json"]["schema"])]
        found |= {name: name in shape.get("required", []) for name in shape["properties"]}
    return found


def schema_of(address: str, name: str) -> dict[str, Any]:
    """Return the schema of a parameter, references followed."""
    described = operation(address)
    found = {one["name"]: one["schema"] for one in described.get("parameters", [])}
    if body := described.get("requestBody"):
        found |= SHAPES[_reference(body["content"]["application/json"]["schema"])]["properties"]
    field = found[name]
    referred = next(_references(field), None)
    schema: dict[str, Any] = SHAPES[referred.rpartition("/")[2]] if referred else field
    return schema


def test_the_contract_has_46_addresses() -> None:
    assert len(PARAMETERS) == 46


@pytest.mark.parametrize("address", PARAMETERS)
def test_an_address_takes_its_parameters(address: str) -> None:
    given = parameters(address)
    promised = PARAMETERS[address].split(", ")
    names = {name for word in promised for name in word.rstrip("*").split("|")}
    assert names <= set(given)
    assert {word.rstrip("*") for word in promised if word.endswith("*")} == {name for name in given if given[name]}


@pytest.mark.parametrize("noun", OBJECTS)
def test_an_object_has_its_fields(noun: str) -> None:
    fields = SHAPES[noun]["properties"]
    for promised in OBJECTS[noun].split(", "):
        name, kind = promised.split(": ")
        assert _kind(fields[name]) == kind, name


@pytest.mark.parametrize("address", LISTS)
def test_a_list_is_of_its_objects(address: str) -> None:
    shape = _answer(address)
    shape = SHAPES[_reference(shape)] if "$ref" in shape else shape
    assert (shape["type"], _reference(shape["items"])) == ("array", LISTS[address])


@pytest.mark.parametrize("address", [address for address in PARAMETERS if not address.startswith("GET")])
def test_a_write_gives_its_object(address: str) -> None:
    result = SHAPES[_reference(_answer(address))]["properties"]["result"]
    if promised := RESULTS.get(address):
        named = SHAPES[_reference(result)].get("oneOf", [result])
        assert [_reference(one) for one in named] == promised.split()


@pytest.mark.parametrize("name", WORDS)
def test_a_closed_list_has_its_words(name: str) -> None:
    assert set(SHAPES[name]["enum"]) == set(WORDS[name].split())


def test_a_failure_has_its_code_and_status() -> None:
    assert {code: status for status, codes in CODES.items() for code in codes.split()} == dict(STATUS)


def _answer(address: str) -> dict[str, Any]:
    shape: dict[str, Any] = operation(address)["responses"]["200"]["content"]["application/json"]["schema"]
    return shape


def _reference(shape: dict[str, Any]) -> str:
    return str(next(_references(shape))).rpartition("/")[2]


def _references(shape: dict[str, Any]) -> Iterator[str]:
    yield from ([shape["$ref"]] if "$ref" in shape else [part["$ref"] for part in shape.get("allOf", [])])


def _kind(field: dict[str, Any]) -> str:
    referred = next(_references(field), None) or next((r for p in field.get("oneOf", []) for r in _references(p)), None)
    kind = SHAPES[referred.rpartition("/")[2]]["type"] if referred else field["type"]
    return f"{kind}?" if field.get("nullable") else str(kind)
