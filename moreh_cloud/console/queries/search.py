"""What the search field finds: a few rows of each noun, exact names first, one query per noun."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, F, IntegerField, Q, QuerySet, Value, When

from backends.models import Backend, BackendGroup
from moreh_cloud.console.queries.node_choice import is_of_address
from scheduler.models import Job
from sda.models import SdaModel, SdaModelGroup
from tokens.models import Token, TokenGroup

MOST = 10  # of each noun
ADDRESSES = ("ip", "bmc__ip")
LONGEST_ID = 18  # digits that a row's number can have


@dataclass(frozen=True, slots=True)
class Noun:
    """Where to look: the rows, the columns whose parts are found, and what is shown beside the name."""

    rows: QuerySet[Any]
    name: str
    columns: Sequence[str]
    beside: str


@dataclass(frozen=True, slots=True)
class Found:
    """One row: its model, number, name, what is shown beside it, and whether exactly that was looked for."""

    model: type[Any]
    pk: int
    name: str
    beside: str
    exact: bool


def nouns() -> list[Noun]:
    """Give where names and addresses are looked for, in the order in which they are shown. A token's value is not."""
    node = ("name", *ADDRESSES, "description")
    return [
        Noun(Backend.objects.live(), "name", node, "ip"),
        Noun(Token.objects.live(), "description", ("description",), ""),
        Noun(TokenGroup.objects.live(), "name", ("name",), "description"),
        Noun(SdaModel.objects.live(), "name", ("name",), "description"),
        Noun(SdaModelGroup.objects.live(), "name", ("name",), "backend_group__name"),
        Noun(BackendGroup.objects.live(), "name", ("name",), "description"),
    ]


def find_rows(noun: Noun, text: str) -> list[Found]:
    """Find at most MOST rows of a noun: what is exactly so, then what begins so, then what has it anywhere."""
    columns = [name for name in noun.columns if name not in ADDRESSES or is_of_address(text)]
    exact, start, part = (_any(columns, how, text) for how in ("iexact", "istartswith", "icontains"))
    rank = Case(When(exact, Value(0)), When(start, Value(1)), default=Value(2), output_field=IntegerField())
    beside = F(noun.beside) if noun.beside else Value("")
    ranked = noun.rows.filter(part).annotate(rank=rank, beside=beside).order_by("rank", noun.name, "pk")
    rows = ranked.values_list("pk", noun.name, "beside", "rank")[:MOST]
    return [Found(noun.rows.model, pk, str(name), str(beside), rank == 0) for pk, name, beside, rank in rows]


def find_job(text: str) -> Iterator[Found]:
    """Find a job by its number, with or without `#`."""
    digits = text.removeprefix("#").strip()
    if not digits.isascii() or not digits.isdigit() or len(digits) > LONGEST_ID:
        return
    row = Job.objects.filter(pk=int(digits)).values_list("pk", "token__description", "process_name").first()
    if row:
        yield Found(Job, row[0], f"#{row[0]}", " · ".join(part for part in row[1:] if part), exact=True)


def _any(columns: Sequence[str], how: str, text: str) -> Q:
    found = Q()
    for column in columns:
        found |= Q(**{f"{column}__{how}": text})
    return found
