"""The picture of an answer: a row for each job, with a bar without and a bar with the change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from moreh_cloud.console.pages.timeline import JOB_ADDRESS
from moreh_cloud.lib.errors import Message

ROWS = 40
BEFORE, AFTER = "before", "after"
LOOKS = {BEFORE: "mc-idle", AFTER: "mc-used"}
WORDS: dict[str, Message] = {BEFORE: _("without the change"), AFTER: _("with the change")}
SHORTEST_MS = 120_000  # of time that is shown
MARGIN = 0.15  # of it, behind the last start


@dataclass(frozen=True, slots=True)
class Line:
    """A job: when it is expected to start without and with the change, and how long it runs; None: nobody knows."""

    job: int
    customer: str
    devices: int
    now_ms: int
    before: int | None
    after: int | None
    runs: int | None


def picture(lines: Sequence[Line]) -> dict[str, Any] | None:
    """Give what `timeline.js` draws; nothing when no start is known."""
    shown = lines[:ROWS]
    if not shown:
        return None
    start = min(line.now_ms for line in shown)
    last = max(at for line in shown for at in (line.before, line.after) if at is not None)
    end = start + int(max(SHORTEST_MS, (last - start) * (1 + MARGIN)))
    return {
        "start": start,
        "end": end,
        "now": end,  # a bar without an end reaches to the edge
        "rows": [[_name(line), 4, ""] for line in shown],
        "bars": [bar for row, line in enumerate(shown) for bar in _bars(row, line)],
        "states": {word: [LOOKS[word], str(WORDS[word])] for word in LOOKS},
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
    """Say which bar is which."""
    return [(LOOKS[word], WORDS[word]) for word in LOOKS]


def _bars(row: int, line: Line) -> list[list[object]]:
    """Give the bars of a row, the one without the change above."""
    devices = _now("Devices: %(number)s") % {"number": line.devices}
    known = [(0, BEFORE, line.before), (2, AFTER, line.after)]
    return [
        [row, lane, 2, at, None if line.runs is None else at + line.runs, word, line.job, line.customer, devices]
        for lane, word, at in known
        if at is not None
    ]


def _name(line: Line) -> str:
    return f"#{line.job} {line.customer}"
