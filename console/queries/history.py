"""Queries of the history: ended jobs, the newest end first. Pages are read by keyset, for any number of jobs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from scheduler.choices import OVER
from scheduler.models import Allocation, Job
from scheduler.queries.jobs import count_history, like
from usage.intervals import KIND

PAGE = 50
PIECE_ROWS = 2_000  # rows of an export that are in memory at once
MOST_COUNTED = 10_000  # a filtered list is counted up to this number
MOST_SEARCHED = 200_000  # ended jobs that a text search reads: no index finds a part of a name; a million take 1 s
ORDER = ("-ended_at", "-pk")
COLUMNS = (
    *("id", "status", "cause", "detail", "priority", "num_devices", "process_name", "framework", "version"),
    *("token_id", "requested_at", "submitted_at", "started_at", "ended_at", "exit_code"),
)
RELATED = {"customer": F("token__description"), "usual": F("token__priority"), "backend_group": F("group__name")}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EndedFilter:
    """The filters of the history; None and empty values do not filter."""

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
        """Whether no filter is set."""
        return not any(getattr(self, field.name) not in (None, "", (), []) for field in fields(self))


def bound_search(wanted: EndedFilter) -> tuple[EndedFilter, datetime | None]:
    """Return the filters limited to MOST_SEARCHED jobs if they search for a text, and from when these jobs ended.

    The time is None if nothing is left out. A search in the jobs of one token, or for one job, is not limited, because
    an index finds these jobs.
    """
    if not wanted.text or wanted.token is not None or wanted.id is not None:
        return wanted, None
    oldest = Job.objects.filter(status__in=OVER, **_without_none(_ended(wanted))).order_by(*ORDER)
    since = oldest.values_list("ended_at", flat=True)[MOST_SEARCHED : MOST_SEARCHED + 1].first()
    return (wanted, None) if since is None else (replace(wanted, ended_from=since), since)


def matching(wanted: EndedFilter) -> QuerySet[Job]:
    """Return the ended jobs that match the filters."""
    exact: Mapping[str, Any] = {
        "cause": wanted.cause or None,
        "token": wanted.token,
        "group": wanted.group,
        "pk": wanted.id,
        "started_at__gte": wanted.started_from,
        "started_at__lte": wanted.started_to,
        **_ended(wanted),
    }
    chosen = Job.objects.filter(like(wanted.text), status__in=wanted.statuses or OVER, **_without_none(exact))
    if wanted.sda_model is not None or wanted.device_model:
        chosen = chosen.filter(Exists(_allocations_of(wanted.sda_model, wanted.device_model)))
    # The condition of the partial index, so that the planner uses it.
    return chosen.filter(status__in=OVER).order_by(*ORDER)


def _allocations_of(sda_model: int | None, device_model: str) -> QuerySet[Allocation]:
    """Return the allocations of a job for an SDA model or on a device model, as they are billed."""
    held = Allocation.objects.filter(job=OuterRef("pk"))
    if sda_model is not None:
        held = held.alias(held_model=KIND["sda_model"]).filter(held_model=sda_model)
    return held.alias(held_device=KIND["device_model"]).filter(held_device=device_model) if device_model else held


def count(wanted: EndedFilter, first_page: int | None) -> tuple[int, bool]:
    """Return the number of matching jobs, and whether it is exact: filtered jobs are counted up to MOST_COUNTED.

    `first_page` is the number of rows that a first page has found. If it holds all, there is no query.
    """
    if wanted.everything:
        return count_history(), True
    if first_page is not None and first_page <= PAGE:
        return first_page, True
    number = matching(wanted).order_by()[: MOST_COUNTED + 1].count()
    return min(number, MOST_COUNTED), number <= MOST_COUNTED


def page(wanted: EndedFilter, *, after: int | None = None, before: int | None = None) -> list[Row]:
    """Return the first page, or the page after or before a job, and one row more if there is more."""
    jobs = matching(wanted)
    if before is not None:
        rows = list(_rows(jobs.filter(_beyond(before, "gt")).order_by("ended_at", "pk"))[: PAGE + 1])
        return rows[::-1]
    return list(_rows(jobs if after is None else jobs.filter(_beyond(after, "lt")))[: PAGE + 1])


def in_pieces(wanted: EndedFilter) -> Iterator[list[Row]]:
    """Yield all matching jobs in pieces. Jobs that end meanwhile come before the first row, so they are not read."""
    rows = list(_rows(matching(wanted))[:PIECE_ROWS])
    while rows:
        yield rows
        more = len(rows) == PIECE_ROWS
        rows = (
            list(_rows(matching(wanted).filter(_after(rows[-1]["ended_at"], rows[-1]["id"], "lt")))[:PIECE_ROWS])
            if more
            else []
        )


def _ended(wanted: EndedFilter) -> Mapping[str, datetime | None]:
    """Return the range of ends as filters. A job ends after it starts, so `started_from` also limits the ends."""
    return {"ended_at__gte": _latest(wanted.ended_from, wanted.started_from), "ended_at__lte": wanted.ended_to}


def _without_none(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if value is not None}


def _rows(jobs: QuerySet[Job]) -> QuerySet[Job, Row]:
    rows: QuerySet[Job, Row] = jobs.values(*COLUMNS, **RELATED)
    return rows


def _beyond(pk: int, lookup: str) -> Q:
    at = Job.objects.filter(pk=pk).values_list("ended_at", flat=True).first()
    return Q(pk__in=[]) if at is None else _after(at, pk, lookup)


def _after(at: datetime, pk: int, lookup: str) -> Q:
    """Return the condition for rows beyond a row in the order. Its first part is redundant, for the index."""
    return Q(**{f"ended_at__{lookup}e": at}) & (Q(**{f"ended_at__{lookup}": at}) | Q(**{f"pk__{lookup}": pk}))


def _latest(*times: datetime | None) -> datetime | None:
    return max((at for at in times if at is not None), default=None)
