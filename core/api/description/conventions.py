"""OpenAPI parts of all lists and repeatable writes: lists as files, ETags, idempotency keys."""

from typing import Any

Part = dict[str, Any]
JSON = "application/json"
KEY: Part = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
KNOWN: Part = {"in": "header", "name": "If-None-Match", "schema": {"type": "string", "pattern": "^[ -~]*$"}}
TAG: Part = {"ETag": {"description": "To be sent as If-None-Match by who asks again.", "schema": {"type": "string"}}}
REPLAYED: Part = {
    "Idempotency-Replayed": {
        "description": "There when it is the first answer to this Idempotency-Key again; nothing was done.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
KEPT = (400, 403, 404, 409)  # the refusals that are kept with their key
TOTAL: Part = {
    "X-Total-Count": {"description": "How many there are in all.", "schema": {"type": "integer", "minimum": 0}}
}
# In words: with a second media type generated TypeScript clients take a list for one that may be a text.
FILE = (
    "With `Accept: text/csv` the list comes as a file: UTF-8 with a byte order mark, the first line names the columns."
)


def add_parameters(path: str, method: str, operation: Part) -> None:
    """Add the headers that a request may carry."""
    wanted = [KNOWN] if _lists(path, method) else [KEY] if _repeats(path, method) else []
    if wanted:
        operation["parameters"] = [*operation.get("parameters", []), *map(dict, wanted)]


def add_answers(path: str, method: str, operation: Part) -> None:
    """Add what those headers bring about, and the list as a file."""
    answers = operation["responses"]
    if _lists(path, method):
        answers["200"]["description"] += f" {FILE}"
        counted = {} if "usage" in operation["tags"] else TOTAL
        answers["200"]["headers"] = {**answers["200"].get("headers", {}), **counted, **TAG}
        answers["304"] = {"description": "Nothing has changed since the ETag that was sent.", "headers": TAG}
    if _repeats(path, method):
        answers["200"]["headers"] = {**answers["200"].get("headers", {}), **REPLAYED}
        answers["422"] = {"$ref": "#/components/responses/Failure422"}
    operation["responses"] = dict(sorted(answers.items()))


def _lists(path: str, method: str) -> bool:
    return method == "get" and path.startswith("/api/v2/")


def _repeats(path: str, method: str) -> bool:
    """Whether answers are kept: not where they are access tokens."""
    return method == "post" and path.startswith("/api/v2/") and not path.startswith("/api/v2/auth/")
