"""Who carries out what was agreed to. The library knows no app: the bulk app's door says here that it does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse


@dataclass(frozen=True, slots=True)
class Agreed:
    """A verb that was agreed to, with the rows as (number, name) and what its form said, as it was sent.

    Lines of a file come with a payload each.
    """

    noun: str
    verb: str
    rows: list[tuple[Any, str]]
    data: dict[str, list[str]]
    key: str = ""
    payloads: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Carrier:
    """`actor_of` says who asks; `sent_before` answers a form that came twice; `begin` hands rows to the workers."""

    actor_of: Callable[[HttpRequest], Any]
    sent_before: Callable[..., HttpResponse | None]  # (request, key, address to go back to, note=False)
    begin: Callable[[HttpRequest, Agreed], HttpResponse]


_carriers: list[Carrier] = []


def carry_with(carrier: Carrier) -> None:
    """Name who carries out what was agreed to."""
    _carriers[:] = [carrier]


def carrier() -> Carrier:
    return _carriers[0]
