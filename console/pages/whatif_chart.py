"""The chart of the what-if page: a row for each job, with one bar without the change and one with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from console.pages.timeline import JOB_ADDRESS
from core.errors import Message

ROWS = 40
BEFORE, AFTER = "before", "after"
COLOURS = {BEFORE: "mc-idle", AFTER: "mc-used"}
WORDS: dict[str, Message] = {BEFORE: _("without the change"), AFTER: _("with the change")}
SHORTEST_MS = 120_000  # the least time that the chart spans
MARGIN = 0.15  # the part of it behind the last start


@dataclass(frozen=True, slots=True)
class ChartRow:
    """A job: its start estimates without and with the change, and its expected run time; None: not known."""

    job: int
    customer: str
    devices: int
    now_ms: int
    before: int | None
    after: int | None
    runs: int | None


def chart(rows: Sequence[ChartRow]) -> dict[str, Any] | None:
    """Return what `timeline.js` draws; None if there is no row."""
    drawn = rows[:ROWS]
    if not drawn:
        return None
    start = min(row.now_ms for row in drawn)
    last = max(at for row in drawn for at in (row.before, row.after) if at is not None)
    end = start + int(max(SHORTEST_MS, (last - start) * (1 + MARGIN)))
    return {
        "start": start,
        "end": end,
        "now": end,  # a bar without an end reaches the right border
        "rows": [[_name(row), 4, ""] for row in drawn],
        "bars": [bar for number, row in enumerate(drawn) for bar in _bars(number, row)],
        "states": {word: [COLOURS[word], str(WORDS[word])] for word in COLOURS},
        "job": reverse("admin:scheduler_job_change", args=[JOB_ADDRESS]),
        "sda": "",
        "words": {
            "job": _now("Job #%(job)s"),
            "reserved": "",
            "until": _now("about %(start)s – %(end)s"),  # noqa: RUF001 - from, to
            "open": _now("from about %(start)s; how long it runs is not known"),
        },
    }


def legend() -> list[tuple[str, Message]]:
    """Return colour and label of both kinds of bars."""
    return [(COLOURS[word], WORDS[word]) for word in COLOURS]


def _bars(number: int, row: ChartRow) -> list[list[object]]:
    """Return the bars of a row; the bar without the change is above the other."""
    devices = _now("Devices: %(number)s") % {"number": row.devices}
    known = [(0, BEFORE, row.before), (2, AFTER, row.after)]
    return [
        [number, lane, 2, at, None if row.runs is None else at + row.runs, word, row.job, row.customer, devices]
        for lane, word, at in known
        if at is not None
    ]


def _name(row: ChartRow) -> str:
    return f"#{row.job} {row.customer}"
