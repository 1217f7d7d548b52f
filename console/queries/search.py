"""Queries of the search dialog: a few rows of each noun, exact names first, in one query per noun."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, F, IntegerField, Q, QuerySet, Value, When

from backends.models import Backend, BackendGroup
from core.numbers import whole
from inventory.queries import all_tags
from scheduler.models import Job
from scheduler.queries.node_choice import is_of_address
from sda.models import SdaModel, SdaModelGroup
from tokens.models import Token, TokenGroup

MOST = 10  # of each noun
ADDRESSES = ("ip", "bmc__ip")


@dataclass(frozen=True, slots=True)
class Noun:
    """Where to search: rows, the column of the name, the columns that are searched, and the column of the hint."""

    rows: QuerySet[Any]
    name: str
    columns: Sequence[str]
    hint: str


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One row: its model, id, name and hint, and whether its name is exactly the text."""

    model: type[Any]
    pk: int
    name: str
    hint: str
    exact: bool


def nouns() -> list[Noun]:
    """Return where to search, in the order of the results. The value of a token is not searched."""
    node = ("name", "serial", *ADDRESSES, "description")
    return [
        Noun(Backend.objects.live(), "name", node, "ip"),
        Noun(Token.objects.live(), "description", ("description",), ""),
        Noun(TokenGroup.objects.live(), "name", ("name",), "description"),
        Noun(SdaModel.objects.live(), "name", ("name",), "description"),
        Noun(SdaModelGroup.objects.live(), "name", ("name",), "backend_group__name"),
        Noun(BackendGroup.objects.live(), "name", ("name",), "description"),
        Noun(all_tags(), "name", ("name",), "description"),
    ]


def find_rows(noun: Noun, text: str) -> list[SearchHit]:
    """Return at most MOST rows of a noun: exact matches, then those that begin with the text, then all others."""
    columns = [name for name in noun.columns if name not in ADDRESSES or is_of_address(text)]
    exact, start, anywhere = (_any(columns, how, text) for how in ("iexact", "istartswith", "icontains"))
    rank = Case(When(exact, Value(0)), When(start, Value(1)), default=Value(2), output_field=IntegerField())
    hint = F(noun.hint) if noun.hint else Value("")
    ranked = noun.rows.filter(anywhere).annotate(rank=rank, hint=hint).order_by("rank", noun.name, "pk")
    rows = ranked.values_list("pk", noun.name, "hint", "rank")[:MOST]
    return [SearchHit(noun.rows.model, pk, str(name), str(hint), rank == 0) for pk, name, hint, rank in rows]


def find_job(text: str) -> Iterator[SearchHit]:
    """Yield the job with a number, which may begin with `#`."""
    number = whole(text.removeprefix("#").strip())
    row = Job.objects.filter(pk=number or 0).values_list("pk", "token__description", "process_name").first()
    if row:
        yield SearchHit(Job, row[0], f"#{row[0]}", " · ".join(part for part in row[1:] if part), exact=True)


def _any(columns: Sequence[str], how: str, text: str) -> Q:
    found = Q()
    for column in columns:
        found |= Q(**{f"{column}__{how}": text})
    return found
