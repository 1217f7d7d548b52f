"""Complete the generated description: words, examples, failures, headers and links of every address."""

from collections.abc import Iterator, Mapping
from typing import Any

from core.api.description.conventions import JSON, KEPT, REPLAYED, add_answers, add_parameters
from core.api.description.links import links_of
from core.api.description.words import FAILURES, TAGS, WORDS, describe_all
from core.api.failures import STATUS

Part = dict[str, Any]
ALWAYS = (429, 500, 503)  # what any address of v2 may answer
RETRY = {
    "Retry-After": {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer", "minimum": 0}}
}
RETRIED = (429, 503)


def complete(result: Part, **_how: Any) -> Part:
    """Complete the description of the whole API; one of drf-spectacular's POSTPROCESSING_HOOKS."""
    describe_all()
    components = result["components"]
    _complete_components(components)
    components["responses"] = {_failure_name(status): _failure(status) for status in sorted({*STATUS.values()})}
    components["securitySchemes"]["cookieAuth"]["description"] = "The session of the web; writes need `X-CSRFToken`."
    result["tags"] = [{"name": name, "description": text} for name, text in sorted(TAGS.items())]
    operations = dict(_operations(result))
    bodies = {name for name, (_path, _method, operation) in operations.items() if "requestBody" in operation}
    components["examples"] = {}
    for name, (path, method, operation) in operations.items():
        if body := operation.get("requestBody"):
            body["content"] = {JSON: body["content"][JSON]}  # generated clients cannot choose between three
        add_parameters(path, method, operation)
        _complete_parameters(name, operation)
        _complete_failures(path, operation)
        _complete_answers(operation, components)
        add_answers(path, method, operation)
        if links := links_of(name, bodies):
            operation["responses"]["200"]["links"] = links
    return result


def _operations(result: Part) -> Iterator[tuple[str, tuple[str, str, Part]]]:
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            yield operation["operationId"], (path, method, operation)


def _complete_components(components: Part) -> None:
    for noun, schema in components["schemas"].items():
        for word, field in schema.get("properties", {}).items():
            _explain(field, noun, word)
        if noun.endswith("Request"):
            schema["additionalProperties"] = False  # a parameter that is not declared is a typo
        if schema.get("enum"):
            schema.setdefault("example", schema["enum"][0])


def _complete_parameters(operation_id: str, operation: Part) -> None:
    for parameter in operation.get("parameters", []):
        text, example = _word(operation_id, parameter["name"])
        parameter["description"] = text
        choices = parameter["schema"].get("items", parameter["schema"]).get("enum")
        if example is None and choices:
            example = [choices[-1]] if parameter["schema"]["type"] == "array" else choices[0]
        if example is not None:
            parameter["example"] = example
        if parameter["schema"]["type"] == "array":
            parameter |= {"style": "form", "explode": False}  # with commas


def _explain(field: Part, noun: str, word: str) -> None:
    if "$ref" in field:
        return  # what it refers to explains itself; OpenAPI 3.0 ignores anything beside a reference
    text, example = _word(noun, word)
    if f"{noun}.{word}" in WORDS or not field.get("description"):
        field["description"] = text
    if example is not None and "allOf" not in field:
        field.setdefault("example", example)


def _word(noun: str, word: str) -> tuple[str, Any]:
    found = WORDS.get(f"{noun}.{word}") or WORDS.get(word)
    if found is None:
        raise LookupError(f"{noun}.{word} has no description. Add {word!r} to api/descriptions.py of its app.")
    return found


def _failure_name(status: int) -> str:
    return f"Failure{status}"


def _failure(status: int) -> Part:
    codes = [code for code, known in STATUS.items() if known == status]
    bodies = {code: {"code": code, "message": FAILURES[code][0], "details": FAILURES[code][1]} for code in codes}
    content: Part = {"schema": {"$ref": "#/components/schemas/Failure"}}
    content["examples"] = {code: {"value": body} for code, body in bodies.items()}
    answer: Part = {"description": ", ".join(codes), "content": {JSON: content}}
    headers = (RETRY if status in RETRIED else {}) | (REPLAYED if status in KEPT else {})
    return {**answer, "headers": headers} if headers else answer


def _complete_failures(path: str, operation: Part) -> None:
    answers = operation["responses"]
    if path.startswith("/api/v2"):
        answers |= {str(status): {"$ref": _FAILURE} for status in ALWAYS}
    for status, answer in answers.items():
        if "$ref" in answer or _shape(answer).get("$ref") == _FAILURE:
            answers[status] = {"$ref": f"#/components/responses/{_failure_name(int(status))}"}
    operation["responses"] = dict(sorted(answers.items()))


_FAILURE = "#/components/schemas/Failure"


def _shape(answer: Mapping[str, Any]) -> Part:
    shape: Part = answer.get("content", {}).get(JSON, {}).get("schema", {})
    return shape


def _complete_answers(operation: Part, components: Part) -> None:
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            continue
        answer["description"] = answer.get("description") or _sentence(status)
        shape = _shape(answer)
        name = _name(shape)
        components["examples"][name] = {"value": example_of(shape, components["schemas"])}
        answer["content"][JSON]["examples"] = {"example": {"$ref": f"#/components/examples/{name}"}}


def _sentence(status: str) -> str:
    return {"202": "Accepted; it is under way."}.get(status, "Done.")


def _name(shape: Part) -> str:
    if shape.get("type") == "array":
        return _name(shape["items"]) + "List"
    return str(shape["$ref"]).rpartition("/")[2]


def example_of(shape: Part, schemas: Part) -> Any:
    """Return an example of a shape, put together from those of its fields."""
    if "example" in shape:
        return shape["example"]
    if "$ref" in shape:
        return example_of(schemas[shape["$ref"].rpartition("/")[2]], schemas)
    if several := shape.get("allOf") or shape.get("oneOf") or shape.get("anyOf"):
        return example_of(several[0], schemas)
    if shape.get("type") == "array":
        return [example_of(shape["items"], schemas)]
    if shape.get("nullable"):
        return None
    return {name: example_of(field, schemas) for name, field in shape.get("properties", {}).items()}
