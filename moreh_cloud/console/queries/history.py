"""What the page of ended jobs shows, over any number of them: the newest end first, by keyset."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from scheduler.choices import OVER
from scheduler.models import Allocation, Job
from scheduler.queries import count_history, like
from usage.intervals import KIND

PAGE = 50
PIECE = 2_000  # rows of an export that are in memory at once
COUNTED = 10_000  # a filtered list is counted no further
SEARCHED = 200_000  # ended jobs that a text is looked for in: no index finds a part of a name; a million take 1 s
ORDER = ("-ended_at", "-pk")
COLUMNS = (
    *("id", "status", "cause", "detail", "priority", "num_devices", "process_name", "framework", "version"),
    *("token_id", "requested_at", "submitted_at", "started_at", "ended_at", "exit_code"),
)
NAMED = {"customer": F("token__description"), "usual": F("token__priority"), "backend_group": F("group__name")}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Past:
    """Which ended jobs are meant; what is None or empty does not narrow."""

    statuses: Sequence[str] = ()
    cause: str = ""
    token: int | None = None
    group: int | None = None
    sda_model: int | None = None
    device_model: str = ""
    id: int | None = None
    text: str = ""
    started_from: datetime | None = None
    started_to: datetime | None = None
    ended_from: datetime | None = None
    ended_to: datetime | None = None

    @property
    def everything(self) -> bool:
        """Tell whether nothing narrows."""
        return not any(getattr(self, field.name) not in (None, "", (), []) for field in fields(self))


def searched(past: Past) -> tuple[Past, datetime | None]:
    """Bound a search for a text to the newest ended jobs of its range; gives it, and since when, if not all are read.

    A customer's jobs, and one job, are found by an index whatever the text.
    """
    if not past.text or past.token is not None or past.id is not None:
        return past, None
    oldest = Job.objects.filter(status__in=OVER, **_given(_ended(past))).order_by(*ORDER)
    since = oldest.values_list("ended_at", flat=True)[SEARCHED : SEARCHED + 1].first()
    return (past, None) if since is None else (replace(past, ended_from=since), since)


def found(past: Past) -> QuerySet[Job]:
    """Give the jobs that are meant."""
    exact: Mapping[str, Any] = {
        "cause": past.cause or None,
        "token": past.token,
        "group": past.group,
        "pk": past.id,
        "started_at__gte": past.started_from,
        "started_at__lte": past.started_to,
        **_ended(past),
    }
    chosen = Job.objects.filter(like(past.text), status__in=past.statuses or OVER, **_given(exact))
    if past.sda_model is not None or past.device_model:
        chosen = chosen.filter(Exists(_held_as(past.sda_model, past.device_model)))
    # The set that the index of the history is made of, said for the planner.
    return chosen.filter(status__in=OVER).order_by(*ORDER)


def _held_as(sda_model: int | None, device_model: str) -> QuerySet[Allocation]:
    """Give what a job held of a kind, as it is billed."""
    held = Allocation.objects.filter(job=OuterRef("pk"))
    if sda_model is not None:
        held = held.alias(had=KIND["sda_model"]).filter(had=sda_model)
    return held.alias(was=KIND["device_model"]).filter(was=device_model) if device_model else held


def count(past: Past, first_page: int | None) -> tuple[int, bool]:
    """Count the jobs that are meant, and tell whether that is all of them: a filtered list is counted to a limit.

    `first_page` is how many a first page has found: when it holds them all, nothing is read again.
    """
    if past.everything:
        return count_history(), True
    if first_page is not None and first_page <= PAGE:
        return first_page, True
    number = found(past).order_by()[: COUNTED + 1].count()
    return min(number, COUNTED), number <= COUNTED


def page(past: Past, *, after: int | None = None, before: int | None = None) -> list[Row]:
    """Give a page: the first, or the one after or before a job."""
    jobs = found(past)
    if before is not None:
        rows = list(_rows(jobs.filter(_beyond(before, "gt")).order_by("ended_at", "pk"))[: PAGE + 1])
        return rows[::-1]
    return list(_rows(jobs if after is None else jobs.filter(_beyond(after, "lt")))[: PAGE + 1])


def pieces(past: Past) -> Iterator[list[Row]]:
    """Give all that are meant, piece by piece; what ends meanwhile is newer than where the reading began."""
    rows = list(_rows(found(past))[:PIECE])
    while rows:
        yield rows
        more = len(rows) == PIECE
        rows = (
            list(_rows(found(past).filter(_after(rows[-1]["ended_at"], rows[-1]["id"], "lt")))[:PIECE]) if more else []
        )


def _ended(past: Past) -> Mapping[str, datetime | None]:
    """Give the range of ends as filters: nothing ends before it starts."""
    return {"ended_at__gte": _latest(past.ended_from, past.started_from), "ended_at__lte": past.ended_to}


def _given(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if value is not None}


def _rows(jobs: QuerySet[Job]) -> QuerySet[Job, Row]:
    rows: QuerySet[Job, Row] = jobs.values(*COLUMNS, **NAMED)
    return rows


def _beyond(pk: int, way: str) -> Q:
    at = Job.objects.filter(pk=pk).values_list("ended_at", flat=True).first()
    return Q(pk__in=[]) if at is None else _after(at, pk, way)


def _after(at: datetime, pk: int, way: str) -> Q:
    """Keep what is beyond a row in the order; its first part says it again for the index."""
    return Q(**{f"ended_at__{way}e": at}) & (Q(**{f"ended_at__{way}": at}) | Q(**{f"pk__{way}": pk}))


def _latest(*times: datetime | None) -> datetime | None:
    return max((at for at in times if at is not None), default=None)
