"""Which range, rows and kind of rows a timeline is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from moreh_cloud.console.pages.asked import text, whole
from moreh_cloud.console.queries import timeline as reads
from moreh_cloud.lib.errors import Message
from scheduler.queries import MAX_ID

PRESETS: Mapping[str, tuple[Message, timedelta]] = {
    "1h": (_("Last hour"), timedelta(hours=1)),
    "6h": (_("6 hours"), timedelta(hours=6)),
    "24h": (_("24 hours"), timedelta(hours=24)),
}
SIZES = (10, 25, 50, 100)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the picture is asked for."""

    window: reads.Window
    preset: str
    by: str = "node"
    node: int | None = None
    token: int | None = None
    group: int | None = None
    text: str = ""

    def address(self, **changes: object) -> str:
        """Give the page's address with changes; a change goes back to the first rows."""
        now: dict[str, object] = {"by": self.by, "node": self.node, "token": self.token, "group": self.group}
        now |= {"q": self.text, "rows": self.window.rows, "range": self.preset}
        if not self.preset:
            now |= {"from": local(self.window.start), "to": local(self.window.end)}
        now |= changes
        given = {name: str(value) for name, value in now.items() if value not in (None, "")}
        return f"{reverse('console:timeline')}?{urlencode(given)}"


def read_asked(given: QueryDict, now: datetime) -> Asked:
    """Read what is asked for; what makes no sense falls back to the last six hours of nodes."""
    preset = given.get("range", "6h" if "from" not in given else "")
    length = PRESETS[preset][1] if preset in PRESETS else timedelta(hours=6)
    start, end = now - length, now
    if preset not in PRESETS:
        preset = ""
        start, end = _time(given.get("from")) or start, _time(given.get("to")) or end
    rows = whole(given.get("rows"), 1, 100)
    window = reads.Window(
        start=start if start < end else end - timedelta(hours=1),
        end=end,
        page=whole(given.get("page"), 1, 100_000) or 1,
        rows=rows if rows in SIZES else 50,
    )
    node = whole(given.get("node"), 1, MAX_ID)
    by = "token" if given.get("by") == "token" and node is None else "node"
    token, group = whole(given.get("token"), 1, MAX_ID), whole(given.get("group"), 0, MAX_ID)
    return Asked(window, preset, by, node, token if by == "token" else None, group, text(given.get("q")))


def _time(given: str | None) -> datetime | None:
    try:
        at = parse_datetime(given or "")
    except ValueError:
        return None
    if at is None or not 1971 <= at.year <= 9000:
        return None
    return timezone.make_aware(at) if timezone.is_naive(at) else at


def local(at: datetime) -> str:
    """Write a time as the fields of a form do."""
    return f"{timezone.localtime(at):%Y-%m-%dT%H:%M:%S}"
