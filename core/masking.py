"""Take secrets out of log records, by the name of their field and by their shape."""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

MASK = "***"
SECRET_NAME = re.compile(
    r"(?i)passw|pwd|secret|token|authori[sz]ation|cookie|credential|(api|access|node|resume|encryption|metrics)_?key"
)
# `token_id=7` names a row; the value of a token is what must not be seen.
PLAIN_NAME = re.compile(r"(?i)(_ids?|_count|_hours|_limit)$")
SHAPES = (
    # name=value in request lines and messages, "name": "value" in JSON and Python's repr.
    (
        re.compile(
            r"(?i)\b((?:token|password|passwd|pwd|secret|access|key)(?:\\?[\"'])?\s*[=:]\s*(?:\\?[\"'])?)[^\s&\"'\\,;}]+"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)\b(bearer|basic|token)\s+[\w.~+/=-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"(?i)\b([a-z][a-z+]{0,30}://[^\s:/@]*):[^\s/@]+@"), rf"\1:{MASK}@"),
    (re.compile(r"gAAAA[\w-]{60,}={0,2}"), MASK),
    # 43 characters of URL-safe base64 with both cases: what `new_secret` and Fernet.generate_key make.
    (re.compile(r"(?<![\w-])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{43}=?(?![\w-])"), MASK),
)


def masked_text(text: str) -> str:
    """Return the text with everything of the shape of a secret replaced."""
    for shape, replacement in SHAPES:
        text = shape.sub(replacement, text)
    return text


BYTE_SHAPES = tuple((re.compile(shape.pattern.encode()), mask.encode()) for shape, mask in SHAPES)


def secret_spans(data: bytes) -> list[tuple[int, int]]:
    """Return where in a text, as bytes of UTF-8 or the like, something of the shape of a secret stands, in order."""
    mask = MASK.encode()
    found = []
    for shape, replacement in BYTE_SHAPES:
        for match in shape.finditer(data):
            before, _mask, after = match.expand(replacement).partition(mask)
            found.append((match.start() + len(before), match.end() - len(after)))
    return sorted(found)


def masked(value: Any) -> Any:
    """Return a copy of a value, whatever its depth, without secrets."""
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, Mapping):
        return {name: MASK if _is_secret(str(name), item) else masked(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return masked_text(str(value))


def mask_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask a structlog event; the last step before it is written."""
    return {name: item if name.startswith("_") else masked({name: item})[name] for name, item in event.items()}


def _is_secret(name: str, value: Any) -> bool:
    return value not in (None, "") and bool(SECRET_NAME.search(name)) and not PLAIN_NAME.search(name)
