"""Issued statements, each with its corrections, beside the usage of now."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime

from billing.choices import StatementStatus
from billing.models import Statement
from billing.queries.bills import billed
from usage.metering import Times
from usage.queries import Billed, billed_times

Sums = Mapping[Billed, Times]
NONE = Times()


def unlike_used() -> tuple[int, list[str]]:
    """Return the device-milliseconds of all issued statements, and where those of a month are not what was used."""
    issued = Statement.objects.filter(status=StatementStatus.ISSUED).order_by("month")
    total = 0
    found: list[str] = []
    for month, start, end in issued.values_list("month", "starts_at", "ends_at").distinct():
        sums, used = _sums(month, start, end)
        total += sum(times.device_ms for times in sums.values())
        found += _differences(month, sums, used)
    return total, found


def _sums(month: date, start: datetime, end: datetime) -> tuple[Sums, Sums]:
    """Return what was billed for a month and what was used in it, of the tokens that have a statement."""
    of = Statement.objects.filter(month=month, starts_at=start, ends_at=end, status=StatementStatus.ISSUED)
    tokens = set(of.order_by().values_list("token_id", flat=True))
    sums: defaultdict[Billed, Times] = defaultdict(Times)
    for token, bill in billed(month).items():
        for kind, line in bill.items() if token in tokens else ():
            sums[Billed(token, kind.sda_model, kind.device_model)] += line.times
    return sums, {key: times for key, times in billed_times(start, end).items() if key.token in tokens}


def _differences(month: date, sums: Sums, used: Sums) -> Iterator[str]:
    for key in sorted(sums.keys() | used.keys()):
        there, wanted = sums.get(key, NONE), used.get(key, NONE)
        if there != wanted:
            what = f"token {key.token} as SDA model {key.sda_model}, {key.device_model}"
            yield f"statement {month:%Y-%m} {what}: billed {_figures(there)}, used {_figures(wanted)}"


def _figures(times: Times) -> str:
    return f"{times.device_ms} ms ({times.preparing_ms} preparing, {times.reserved_ms} reserved)"
