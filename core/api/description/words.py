"""Meaning and example of each name on the wire; one entry serves every parameter and field of that name.

Here are the words that several apps use; an app adds its own in `api/descriptions.py`, beside its fields. `Noun.word`
(the schema's component, or the operation's id) stands before `word` where the meaning differs.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.utils.module_loading import autodiscover_modules

T = TypeVar("T")
Words = Mapping[str, tuple[str, Any]]
Failures = Mapping[str, tuple[str, Mapping[str, Any]]]

VALUE = "moreh-4f9c2ad17be04c06b6d3"
AT = "2026-11-23T01:02:03.456Z"
REPEATABLE = (
    "Any text of the caller's, best a random UUID: within 24 hours the same request with the same key gives the first "
    "answer again, and nothing is done twice."
)
WORDS: dict[str, tuple[str, Any]] = {
    "Idempotency-Key": (REPEATABLE, None),  # an example would be sent by everybody who tries the page of the API
    "If-None-Match": ("The ETag of the answer that the caller has.", 'W/"1.0f8d1c3b5a79e2460f8d1c3b5a79e246"'),
    "after": ("The last id seen: what follows it in this order.", 1200),
    "backends": ("Its backends.", None),
    "code": ("What became of it.", None),
    "combine": ("Whether one job may run on several backends of the group.", True),
    "desc": ("A description.", "Vision team"),
    "description": ("A description.", "Vision team"),
    "detail": ("What more is known.", "answered"),
    "details": ("What it is about, by the name of the parameter.", {"id": 7}),
    "expand": ("Also show the tokens of nested groups.", "tokenlist"),
    "force": ("Do it also while something is in the way.", False),
    "group": ("The id of a group.", 1),
    "id": ("The id.", 1),
    "index": ("The place, from 0.", 0),
    "ipAddress": ("The IP address that it came from.", "10.0.0.9"),
    "label": ("The name, unique among its kind.", "gpu-01"),
    "latency": ("How long it took to answer, in ms.", 1.25),
    "limit": ("At most this many.", 100),
    "maxDevices": ("How many devices may be held at once, in all backend groups; null: no limit.", 16),
    "message": ("What went wrong, for people, in the language that was asked for.", "There is no such thing."),
    "name": ("The name.", "gpu-01"),
    "offset": ("Leave out this many first.", 0),
    "ordering": ("What to order by; `-` in front turns it round.", None),
    "priority": ("The higher, the sooner.", 0),
    "processName": ("The name of the program.", "train.py"),
    "protocol": ("How it came in.", "rest"),
    "referer": ("Where it came from.", None),
    "result": ("What the write made or changed.", None),
    "sdaId": ("The id of an SDA.", 7),
    "status": ("The status.", None),
    "temperature": ("°C", 61.0),
    "token": ("The value of a token.", VALUE),
    "tokenlist": ("The tokens of the group.", None),
    "totalMemory": ("MiB; 0 while no agent has said it.", 65536),
    "usedMemory": ("MiB", 20480),
    "utilization": ("%", 87.5),
}
# What a failure says, by its code: the message, and what it is about.
FAILURES: dict[str, tuple[str, Mapping[str, Any]]] = {
    "INVALID_PARAMETER": ("Not valid: id.", {"id": ["A valid integer is required."]}),
    "UNAUTHENTICATED": ("Authentication credentials were not provided.", {}),
    "FORBIDDEN": ("You do not have permission to perform this action.", {}),
    "NOT_FOUND": ("There is no such thing.", {"id": 7}),
    "METHOD_NOT_ALLOWED": ('Method "PATCH" not allowed.', {}),
    "CONFLICT": ("Something else changed it meanwhile.", {"id": 7}),
    "DUPLICATE": ("The name is taken.", {"name": ["The name is taken."]}),
    "GROUP_NOT_EMPTY": ("The group is not empty.", {"group": 1}),
    "GROUP_IN_USE": ("The group is in use.", {"group": 1}),
    "SECRET_UNREADABLE": ("A stored secret cannot be read.", {"table": "tokens_token", "id": 7, "column": "value"}),
    "PAYLOAD_TOO_LARGE": ("The request is too large.", {}),
    "UNSUPPORTED_MEDIA_TYPE": ('Unsupported media type "text/plain" in request.', {}),
    "KEY_REUSED": ("The Idempotency-Key came with another request.", {"key": "6f1d"}),
    "THROTTLED": ("Request was throttled.", {}),
    "INTERNAL_ERROR": ("Something went wrong; please quote 0f1e2d3c4b5a.", {"id": "0f1e2d3c4b5a"}),
    "GRPC_ERROR": ("A service that is needed does not answer; try again.", {}),
    "DATABASE_ERROR": ("A service that is needed does not answer; try again.", {}),
    "BROKER_ERROR": ("A service that is needed does not answer; try again.", {}),
}
TAGS: dict[str, str] = {}


def describe(words: Words, *, failures: Failures | None = None, tags: Mapping[str, str] | None = None) -> None:
    """Add the words, failures and tags of an app. Raise ValueError for what is described already."""
    _add(WORDS, words)
    _add(FAILURES, failures or {})
    _add(TAGS, tags or {})


def describe_all() -> None:
    """Collect the descriptions of all apps; a module is imported once."""
    autodiscover_modules("api.descriptions", "check.api.descriptions")


def _add(known: dict[str, T], added: Mapping[str, T]) -> None:
    if twice := known.keys() & added.keys():
        raise ValueError(f"described twice: {sorted(twice)}")
    known.update(added)
