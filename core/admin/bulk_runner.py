"""The runner of confirmed actions over many rows. `core` imports no app: the bulk app registers itself here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse


@dataclass(frozen=True, slots=True)
class ConfirmedRows:
    """A confirmed verb with its rows as (id, name) and the values of its form as they were sent.

    Lines of a file have a payload each.
    """

    noun: str
    verb: str
    rows: list[tuple[Any, str]]
    data: dict[str, list[str]]
    key: str = ""
    payloads: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class BulkRunner:
    """`actor_of` returns who acts; `sent_before` answers a form that came twice; `begin` hands rows to the workers."""

    actor_of: Callable[[HttpRequest], Any]
    sent_before: Callable[..., HttpResponse | None]  # (request, key, address to go back to, note=False)
    begin: Callable[[HttpRequest, ConfirmedRows], HttpResponse]


_runners: list[BulkRunner] = []


def set_bulk_runner(runner: BulkRunner) -> None:
    """Register the runner of confirmed actions."""
    _runners[:] = [runner]


def bulk_runner() -> BulkRunner:
    """Return the registered runner."""
    return _runners[0]
