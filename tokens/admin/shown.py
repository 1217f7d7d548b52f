"""What the list and the page of a token show beside its own columns, read for a whole page of rows at once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from unfold.views import ChangeList

from moreh_cloud.lib.admin import Table, ago, badge, link, link_to
from moreh_cloud.lib.clock import db_now
from scheduler.queries import queue, sdas_in_use
from sda.models import Sda
from sda.queries import live_sdas
from tokens.models import Token
from usage.metering import HOUR_MS
from usage.queries import device_ms_of

FEW = 3  # SDAs that a list names
LATEST = 20
DAYS = (1, 7, 30)  # spans of recent use on the page of a token
WEEK = 1


@dataclass(frozen=True, slots=True)
class Owned:
    """An SDA, and whether jobs hold devices of it now."""

    sda: Sda
    in_use: bool

    @property
    def state(self) -> SafeString:
        if self.in_use:
            return badge(_("in use"), "success")
        return badge(_("reserved"), "info") if self.sda.reserved else badge(_("idle"))

    @property
    def mark(self) -> SafeString | str:
        return (
            format_html('<span title="{0}" aria-label="{0}" role="img">★</span>', _("current")) if self.current else ""
        )

    @property
    def current(self) -> bool:
        return self.sda.current


@dataclass(frozen=True, slots=True)
class Beside:
    """The SDAs of a token, its device-milliseconds of 1, 7, 30 days and altogether, and who looks."""

    owned: Sequence[Owned]
    use: tuple[int, ...]
    may_reveal: bool


class TokenList(ChangeList):
    """A page of tokens with what stands beside them, in five queries more."""

    def get_results(self, request: HttpRequest) -> None:
        """Read what the rows of the page show."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        admin: Any = self.model_admin
        put_beside(self.result_list, may_reveal=admin.has_operate_permission(request))


def put_beside(rows: Sequence[Any], *, may_reveal: bool) -> None:
    """Read SDAs, their states and the use of these tokens, and hang them on the rows."""
    ids = [row.pk for row in rows]
    sdas: defaultdict[int, list[Sda]] = defaultdict(list)
    for sda in live_sdas().filter(token__in=ids):
        sdas[sda.token_id].append(sda)
    busy = sdas_in_use([sda.pk for owned in sdas.values() for sda in owned])
    now = db_now().replace(minute=0, second=0, microsecond=0)
    used = device_ms_of(ids, *(now - timedelta(days=days) for days in DAYS))
    for row in rows:
        owned = [Owned(sda, sda.pk in busy) for sda in sdas[row.pk]]
        row.beside = Beside(owned, used.get(row.pk, (0,) * (len(DAYS) + 1)), may_reveal and row.deleted_at is None)


def sda_lines(row: Token, owned: Sequence[Owned]) -> SafeString | str:
    """Name the first SDAs of a token with model and state, and how many more there are."""
    lines = [(one.state, link_to(one.sda, one.sda.model), one.sda.model.num_devices, one.mark) for one in owned[:FEW]]
    shown = format_html_join("", "<li>{} {} <small>×{}</small> {}</li>", lines)  # noqa: RUF001
    if len(owned) > FEW:
        more = _("and %(others)s more") % {"others": len(owned) - FEW}
        shown += format_html("<li>{}</li>", link(reverse("admin:sda_sda_changelist") + f"?token={row.pk}", more))
    return format_html('<ul class="mc-sdas">{}</ul>', shown) if lines else "–"  # noqa: RUF001


def secret_value(row: Token, *, may_reveal: bool, only_copy: bool = False) -> SafeString | str:
    """Show the beginning of the value, and buttons that ask for all of it where the operator may."""
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


def variables(names: Iterable[str]) -> SafeString | str:
    """Say how many variables there are; their names on hovering."""
    listed = sorted(names)
    return format_html('<span title="{}">{}</span>', ", ".join(listed), len(listed)) if listed else "–"  # noqa: RUF001


def hours(device_ms: int) -> str:
    """Show device-hours."""
    return f"{device_ms / HOUR_MS:,.1f}"


def use_lines(recent_ms: int, total_ms: int) -> SafeString:
    """Show the device-hours of the last 7 days, and altogether."""
    lines = [(hours(recent_ms), _("7 days")), (hours(total_ms), _("altogether"))]
    shown = format_html_join("", '<li class="mc-number">{} <small>{}</small></li>', lines)
    return format_html('<ul class="mc-sdas">{}</ul>', shown)


def token_tables(row: Any) -> Iterator[Table]:
    """Give a token's SDAs, live jobs and use."""
    owned = row.beside.owned
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
            ago(job.requested_at),
        )
        for job in queue().filter(token=row)[:LATEST]
    ]
    heads = (_("job"), _("status"), _("devices"), _("process"), _("requested"))
    yield Table(_("Live jobs"), heads, jobs, reverse("admin:scheduler_job_changelist") + of_token)
    heads = (_("24 hours"), _("7 days"), _("30 days"), _("altogether"))
    more = reverse("console:usage") + of_token
    yield Table(_("Use (device-hours)"), heads, [[hours(ms) for ms in row.beside.use]], more)
