"""Which traces are worth their lines in a log."""

import sys
from collections.abc import MutableMapping
from typing import Any


def leave_out_outages(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name an error of a database or broker that is away instead of tracing it: it comes at every call and task."""
    from core.outages import is_outage  # the settings name this function

    error = _error_of(line.get("exc_info"))
    if is_outage(error):
        line.pop("exc_info")
        line.setdefault("error", type(error).__name__)
    return line


def _error_of(info: Any) -> BaseException | None:
    """Return the error of what a logger was given as `exc_info`."""
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return info[1] if isinstance(info[1], BaseException) else None
    return sys.exc_info()[1] if info else None
