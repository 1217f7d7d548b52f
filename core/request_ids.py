"""The id of the request that is being carried out: it stands in each log line, and goes on to tasks and orders."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from structlog.contextvars import bound_contextvars, get_contextvars

NAME = "request"  # in log lines
HEADER = "X-Request-ID"
FORM = re.compile(r"[A-Za-z0-9._-]{8,64}")


def current_request() -> str:
    """Return the id of the request that is being carried out, "" if there is none."""
    return str(get_contextvars().get(NAME, ""))


def request_id(given: str) -> str:
    """Return the id that a caller gave if it can stand in a log line, else a new one."""
    return given if FORM.fullmatch(given) else uuid4().hex


@contextmanager
def carrying_out(request: str) -> Iterator[None]:
    """Let log lines, tasks and orders have this id meanwhile; "": none."""
    if not request:
        yield
        return
    with bound_contextvars(**{NAME: request}):
        yield
