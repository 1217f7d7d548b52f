"""Columns and tables of tokens that need other apps' data, which is read for a whole page of rows at once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from unfold.views import ChangeList

from core.admin import Table, badge, link, link_to, time_ago
from core.clock import db_now
from core.crypto import readable
from scheduler.queries.jobs import sdas_in_use
from scheduler.queries.queue import queue
from sda.queries import live_sdas
from tokens.models import Token
from usage.queries import device_ms_of

FEW = 3  # SDAs that a list names
LATEST = 20
DAYS = (1, 7, 30)  # spans of recent use on the page of a token
WEEK = 1
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class OwnedSda:
    """An SDA, and whether jobs hold devices of it now."""

    sda: Any
    in_use: bool

    @property
    def state(self) -> SafeString:
        """Return the badge of its state."""
        if self.in_use:
            return badge(_("in use"), "success")
        return badge(_("reserved"), "info") if self.sda.reserved else badge(_("idle"))

    @property
    def mark(self) -> SafeString | str:
        """Return a star for the current SDA, else an empty text."""
        return (
            format_html('<span title="{0}" aria-label="{0}" role="img">★</span>', _("current")) if self.current else ""
        )

    @property
    def current(self) -> bool:
        """Whether it is the current SDA of its token."""
        return bool(self.sda.current)


@dataclass(frozen=True, slots=True)
class TokenFigures:
    """The SDAs of a token, its device-milliseconds of the last 1, 7 and 30 days and altogether.

    `may_reveal`: whether the operator may see the value of the token.
    """

    owned: Sequence[OwnedSda]
    device_ms: tuple[int, ...]
    may_reveal: bool


class TokenList(ChangeList):
    """A page of tokens with their figures, in five more queries."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows of the page and their figures."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        admin: Any = self.model_admin
        load_figures(self.result_list, may_reveal=admin.has_operate_permission(request))


def load_figures(rows: Sequence[Any], *, may_reveal: bool) -> None:
    """Read the figures of tokens and set them as `figures` of the rows."""
    ids = [row.pk for row in rows]
    sdas: defaultdict[int, list[Any]] = defaultdict(list)
    for sda in live_sdas().filter(token__in=ids):
        sdas[sda.token_id].append(sda)
    busy = sdas_in_use([sda.pk for owned in sdas.values() for sda in owned])
    now = db_now().replace(minute=0, second=0, microsecond=0)
    used = device_ms_of(ids, *(now - timedelta(days=days) for days in DAYS))
    for row in rows:
        owned = [OwnedSda(sda, sda.pk in busy) for sda in sdas[row.pk]]
        row.figures = TokenFigures(
            owned, used.get(row.pk, (0,) * (len(DAYS) + 1)), may_reveal and row.deleted_at is None
        )


def sda_list(row: Token, owned: Sequence[OwnedSda]) -> SafeString | str:
    """Return the first SDAs of a token with model and state, and how many more there are."""
    lines = [(one.state, link_to(one.sda, one.sda.model), one.sda.model.num_devices, one.mark) for one in owned[:FEW]]
    items = format_html_join("", "<li>{} {} <small>×{}</small> {}</li>", lines)  # noqa: RUF001
    if len(owned) > FEW:
        more = _("and %(others)s more") % {"others": len(owned) - FEW}
        items += format_html("<li>{}</li>", link(reverse("admin:sda_sda_changelist") + f"?token={row.pk}", more))
    return format_html('<ul class="mc-sdas">{}</ul>', items) if lines else "–"  # noqa: RUF001


def secret_value(row: Token, *, may_reveal: bool, only_copy: bool = False) -> SafeString | str:
    """Return the beginning of the value, with buttons to reveal and copy it if the operator may."""
    if readable(row.value) is None:
        return unreadable_badge()
    if not may_reveal:
        return row.masked
    kinds = [("copy", _("Copy"))] if only_copy else [("show", _("Show")), ("copy", _("Copy"))]
    buttons = format_html_join("", '<button type="button" data-secret="{}">{}</button>', kinds)
    return format_html(
        '<span class="mc-secret" data-reveal="{}" data-hide="{}" data-copied="{}" data-failed="{}"><code>{}</code>{}'
        "</span>",
        reverse("admin:tokens_token_reveal", args=[row.pk]),
        *(_("Hide"), _("Copied"), _("Refused"), row.masked, buttons),
    )


def unreadable_badge() -> SafeString:
    """Return the badge of a secret that cannot be decrypted."""
    return badge(_("unreadable"), "danger")


def variable_count(env: Any) -> SafeString | str:
    """Return how many variables there are, with their names as the tooltip."""
    names = readable(env)
    if names is None:
        return unreadable_badge()
    listed = sorted(names)
    return format_html('<span title="{}">{}</span>', ", ".join(listed), len(listed)) if listed else "–"  # noqa: RUF001


def format_hours(device_ms: int) -> str:
    """Return device-hours: one decimal, small ones with two digits; never 0 for a use that is not 0."""
    value = timedelta(milliseconds=device_ms) / HOUR
    if 0 < value < 0.1:
        return f"{value:.2g}" if value >= 0.0001 else "< 0.0001"
    return f"{value:,.1f}"


def usage_list(recent_ms: int, total_ms: int) -> SafeString:
    """Return the device-hours of the last 7 days, and altogether."""
    lines = [(format_hours(recent_ms), _("7 days")), (format_hours(total_ms), _("altogether"))]
    items = format_html_join("", '<li class="mc-number">{} <small>{}</small></li>', lines)
    return format_html('<ul class="mc-sdas">{}</ul>', items)


def token_tables(row: Any) -> Iterator[Table]:
    """Yield the tables of a token: its SDAs, live jobs and usage."""
    owned = row.figures.owned
    sdas = [
        (link_to(one.sda), link_to(one.sda.model), one.sda.model.num_devices, one.state, one.mark)
        for one in owned[:LATEST]
    ]
    of_token = f"?token={row.pk}"
    heads: tuple[str, ...] = (_("SDA"), _("SDA model"), _("devices"), _("state"), _("current"))
    yield Table(_("SDAs"), heads, sdas, reverse("admin:sda_sda_changelist") + of_token)
    jobs = [
        (
            link_to(job, f"#{job.pk}"),
            job.get_status_display(),
            job.num_devices,
            job.process_name,
            time_ago(job.requested_at),
        )
        for job in queue().filter(token=row)[:LATEST]
    ]
    heads = (_("job"), _("status"), _("devices"), _("process"), _("requested"))
    yield Table(_("Live jobs"), heads, jobs, reverse("admin:scheduler_job_changelist") + of_token)
    heads = (_("24 hours"), _("7 days"), _("30 days"), _("altogether"))
    more = reverse("console:usage") + of_token
    yield Table(_("Use (device-hours)"), heads, [[format_hours(ms) for ms in row.figures.device_ms]], more)
