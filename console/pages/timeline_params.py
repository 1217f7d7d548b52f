"""The parameters of the timeline: its range, its rows and what a row stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from console.pages.params import search_text
from console.queries import timeline as reads
from core.errors import Message
from core.moments import field_time, input_type
from core.numbers import MAX_ID, whole
from core.times import local_iso, read_time

PRESETS: Mapping[str, tuple[Message, timedelta]] = {
    "1h": (_("Last hour"), timedelta(hours=1)),
    "6h": (_("6 hours"), timedelta(hours=6)),
    "24h": (_("24 hours"), timedelta(hours=24)),
}
SIZES = (10, 25, 50, 100)
ENDS: Mapping[str, Message] = {"from": _("From"), "to": _("To")}


@dataclass(frozen=True, slots=True)
class TimelineParams:
    """The parsed query string of the timeline; `errors` are the messages about its times.

    `refused` are the texts that are no times, by parameter.
    """

    extent: reads.Extent
    preset: str
    by: str = "node"
    node: int | None = None
    token: int | None = None
    group: int | None = None
    text: str = ""
    errors: Sequence[str] = ()
    refused: Mapping[str, str] = field(default_factory=dict)

    def address(self, **changes: object) -> str:
        """Return the address of the page with some parameters changed; it begins at the first rows again."""
        now: dict[str, object] = {"by": self.by, "node": self.node, "token": self.token, "group": self.group}
        now |= {"q": self.text, "rows": self.extent.rows, "range": self.preset}
        if not self.preset:
            now |= {"from": local_iso(self.extent.start), "to": local_iso(self.extent.end)}
        now |= changes
        given = {name: str(value) for name, value in now.items() if value not in (None, "")}
        return f"{reverse('console:timeline')}?{urlencode(given)}"


def read_params(given: QueryDict, now: datetime) -> TimelineParams:
    """Parse the query string. The defaults are nodes and the last six hours; a wrong time also adds an error."""
    preset = given.get("range", "6h" if "from" not in given else "")
    length = PRESETS[preset][1] if preset in PRESETS else timedelta(hours=6)
    start, end, errors, refused = now - length, now, list[str](), dict[str, str]()
    if preset not in PRESETS:
        preset = ""
        start, end = (_time(given, name, errors, refused) or at for name, at in (("from", start), ("to", end)))
    if start >= end:
        errors.append(f"{ENDS['to']}: {_now('The end must be after the start.')}")
        refused |= {name: str(given[name]) for name in ENDS if given.get(name)}
    rows = whole(given.get("rows"), 1, 100)
    extent = reads.Extent(
        start=start if start < end else end - timedelta(hours=1),
        end=end,
        page=whole(given.get("page"), 1, 100_000) or 1,
        rows=rows if rows in SIZES else 50,
    )
    node = whole(given.get("node"), 1, MAX_ID)
    by = "token" if given.get("by") == "token" and node is None else "node"
    token, group = whole(given.get("token"), 1, MAX_ID), whole(given.get("group"), 0, MAX_ID)
    return TimelineParams(
        extent, preset, by, node, token if by == "token" else None, group, search_text(given.get("q")), errors, refused
    )


def _time(given: QueryDict, name: str, errors: list[str], refused: dict[str, str]) -> datetime | None:
    if not (value := given.get(name)):
        return None
    try:
        return read_time(value)
    except ValidationError as error:
        errors += [f"{ENDS[name]}: {message}" for message in error.messages]
        refused[name] = value
        return None


def form_fields(params: TimelineParams) -> list[tuple[str, Message, str, str]]:
    """Return the fields for the ends of the range: name, label, type and text; a refused text can be corrected."""
    times = {"from": params.extent.start, "to": params.extent.end}
    texts = {name: params.refused.get(name) or field_time(at) for name, at in times.items()}
    return [(name, ENDS[name], input_type(text), text) for name, text in texts.items()]
