"""openapi.yaml is valid OpenAPI, and tells everything about every parameter and every answer."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft4Validator  # type: ignore[import-untyped]
from openapi_spec_validator import validate

from core.api.description.complete import _word
from core.api.description.words import FAILURES, WORDS, describe_all
from core.api.failures import STATUS
from tests.schema import committed

Schema = dict[str, Any]
V2 = "/api/v2/"


@pytest.fixture(scope="module")
def schema() -> Schema:
    describe_all()
    found: Schema = committed()
    return found


def operations(schema: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_is_valid_openapi(schema: Schema) -> None:
    validate(schema)


def test_operation_ids_are_those_that_clients_were_generated_from(schema: Schema) -> None:
    verbs = {"get": "list", "post": "create", "put": "update", "delete": "destroy"}
    for path, method, operation in operations(schema):
        words = path.removeprefix(V2).removeprefix("/api/").split("/")
        assert operation["operationId"] == "_".join([*words, verbs[method]])


def test_every_parameter_is_described_with_an_example_that_is_valid(schema: Schema) -> None:
    components = {"components": nullable(schema["components"])}
    seen = 0
    for path, method, operation in operations(schema):
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (path, method, parameter)
            assert parameter["schema"].get("type"), (path, method, parameter)
            if parameter["name"] == "Idempotency-Key":
                assert "example" not in parameter  # who tries two requests on the page would send it with both
                continue
            Draft4Validator({**nullable(parameter["schema"]), **components}).validate(parameter["example"])
            seen += 1
    assert seen > 100


def test_every_field_is_described_with_an_example_that_is_valid(schema: Schema) -> None:
    components = {"components": nullable(schema["components"])}
    for noun, shape in schema["components"]["schemas"].items():
        for word, field in shape.get("properties", {}).items():
            assert "$ref" in field or field.get("description"), (noun, word)
            if "example" in field:
                Draft4Validator({**nullable(field), **components}).validate(field["example"])


def test_every_answer_has_an_example_that_is_valid(schema: Schema) -> None:
    components = {"components": nullable(schema["components"])}
    for path, method, operation in operations(schema):
        for status, answer in operation["responses"].items():
            if status == "304":
                assert "content" not in answer
                continue
            content = answer if "$ref" not in answer else schema["components"]["responses"][f"Failure{status}"]
            assert content["description"], (path, method, status)
            body = content["content"]["application/json"]
            found = [referred(schema, example)["value"] for example in body["examples"].values()]
            assert found, (path, method, status)
            for example in found:
                Draft4Validator({**nullable(body["schema"]), **components}).validate(example)


def test_every_code_of_failures_is_in_the_answer_of_its_status(schema: Schema) -> None:
    assert set(FAILURES) == set(STATUS)
    for code, status in STATUS.items():
        assert code in schema["components"]["responses"][f"Failure{status}"]["content"]["application/json"]["examples"]


def test_every_address_tells_of_strangers_of_throttling_and_of_an_outage(schema: Schema) -> None:
    for path, method, operation in operations(schema):
        if path.startswith(V2):
            assert {"400", "401", "429", "500", "503"} <= set(operation["responses"]), (path, method)


def test_every_list_comes_as_a_file_and_only_when_it_has_changed(schema: Schema) -> None:
    lists = [found for path, method, found in operations(schema) if method == "get" and path.startswith(V2)]
    assert len(lists) == 33
    for operation in lists:
        done = operation["responses"]["200"]
        assert "If-None-Match" in headers(operation), operation["operationId"]
        assert "`Accept: text/csv`" in done["description"], operation["operationId"]
        assert "ETag" in done["headers"], operation["operationId"]
        assert "ETag" in operation["responses"]["304"]["headers"], operation["operationId"]


def test_every_post_takes_a_key_but_those_that_give_access_tokens(schema: Schema) -> None:
    for path, method, operation in operations(schema):
        repeats = method == "post" and not path.startswith(f"{V2}auth/")
        done = operation["responses"].get("200", {})
        assert ("Idempotency-Key" in headers(operation)) is repeats, (path, method)
        assert ("Idempotency-Replayed" in done.get("headers", {})) is repeats, (path, method)
        assert ("422" in operation["responses"]) is repeats, (path, method)


def test_a_field_without_a_description_is_named() -> None:
    with pytest.raises(LookupError, match=r"^JobInfo\.taste has no description\. Add 'taste' to api/descriptions\.py"):
        _word("JobInfo", "taste")


def test_every_noun_has_a_described_tag(schema: Schema) -> None:
    used = {tag for _path, _method, operation in operations(schema) for tag in operation["tags"]}
    assert used == {tag["name"] for tag in schema["tags"]}
    assert all(tag["description"] for tag in schema["tags"])


def test_access_is_by_access_token_or_by_the_session_of_the_web(schema: Schema) -> None:
    schemes = schema["components"]["securitySchemes"]
    assert (schemes["accessToken"]["type"], schemes["accessToken"]["scheme"]) == ("http", "bearer")
    assert (schemes["cookieAuth"]["in"], schemes["cookieAuth"]["name"]) == ("cookie", "sessionid")
    for path, method, operation in operations(schema):
        open_to_all = path == "/api/check" or (path, method) == ("/api/v2/auth/token", "post")
        assert bool(operation.get("security")) is not open_to_all, (path, method)


def test_the_words_hold_nothing_that_is_not_on_the_wire(schema: Schema) -> None:
    shapes = schema["components"]["schemas"]
    fields = {(noun, word) for noun, shape in shapes.items() for word in shape.get("properties", {})}
    asked = {(op["operationId"], p["name"]) for *_address, op in operations(schema) for p in op.get("parameters", [])}
    known = fields | asked
    words = {word for _noun, word in known}
    for entry in WORDS:
        noun, _, word = entry.rpartition(".")
        assert (noun, word) in known if noun else word in words, entry


def headers(operation: Schema) -> set[str]:
    return {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "header"}


def referred(schema: Schema, example: Schema) -> Schema:
    if "$ref" not in example:
        return example
    found: Schema = schema["components"]["examples"][example["$ref"].rpartition("/")[2]]
    return found


def nullable(part: Any) -> Any:
    """Turn OpenAPI 3.0's nullable into what JSON Schema knows."""
    if isinstance(part, list):
        return [nullable(item) for item in part]
    if not isinstance(part, dict):
        return part
    plain = {name: nullable(item) for name, item in part.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if part.get("nullable") is True else plain
