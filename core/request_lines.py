"""Log lines about requests: what a client did wrong is one line, and paths hold no secrets."""

import logging
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from core.masking import MASK

SERVER_ERROR = 500
WORD = re.compile(r"[\w.-]+")
REFUSED = "Invalid request from ip="  # how gunicorn begins a line that goes on with what the client sent


class RequestLines(logging.Filter):
    """Shorten records of Django and gunicorn about a request; let all of them pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take what a client wrote out of a record, and the traceback of what is no fault of ours."""
        request: Any = getattr(record, "request", None)
        if getattr(record, "status_code", SERVER_ERROR) < SERVER_ERROR:
            record.exc_info = record.exc_text = None
        if request is not None and isinstance(record.args, tuple):
            path = request.path
            record.args = tuple(masked_path(path) if value == path else value for value in record.args)
        elif record.name == "gunicorn.error":
            _shorten(record)
        return True


def masked_path(path: str) -> str:
    """Return a path without the segments that are no words of an address of ours, nor numbers."""
    words = _words()
    return "/".join(part if part in words or part.isdecimal() else MASK for part in path.split("/"))


def _shorten(record: logging.LogRecord) -> None:
    if str(record.msg).startswith(REFUSED):
        record.msg = str(record.msg).partition(": ")[0]
    elif str(record.msg).startswith("Error handling request") and isinstance(record.args, tuple) and record.args:
        *before, target = record.args
        record.args = (*before, masked_path(str(target).partition("?")[0]))


@cache
def _words() -> frozenset[str]:
    return frozenset(["", *_words_of(get_resolver())])


def _words_of(resolver: URLResolver) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        for part in str(pattern.pattern).strip("^$").split("/"):
            if WORD.fullmatch(part):
                yield part
        if not isinstance(pattern, URLPattern):
            yield from _words_of(pattern)
