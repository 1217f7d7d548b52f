"""Devices as cells; the cells of one holder are joined.

The HTML is built here: a template took five times as long for the 480 cells of a page.
"""

from collections.abc import Sequence

from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from backends.choices import DeviceStatus, Verdict
from core.signs import NOTHING
from scheduler.queries.node_cards import Cell, Holder, Run

GAUGE = '<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">{bars}</svg>'
BAR = '<rect class="mc-rail" y="{y}" width="100" height="3"/><rect y="{y}" width="{value:.0f}" height="3"/>'
CELL = (
    '<a id="d{pk}" class="mc-cell mc-device mc-{meaning}{old}{health}" tabindex="{stop}" href="{page}"{holder}'
    ' aria-label="{label}"><b>{index:02}</b> {values}</a>'
)


def draw_devices(rows: Sequence[Sequence[Run]], label: str) -> SafeString:
    """Return rows of runs as HTML. All cells together are one tab stop of the keyboard."""
    pages = {noun: reverse(f"admin:{noun}_changelist") for noun in ("scheduler_job", "sda_sda", "backends_device")}
    html = "".join(f'<div class="mc-row">{"".join(_run(run, pages) for run in row)}</div>' for row in rows)
    return format_html(
        '<div class="mc-devices" role="group" aria-label="{}" data-cells>{}</div>',
        label,
        mark_safe(html),  # noqa: S308 - escaped where it is text
    )


def device_text(cell: Cell) -> str:
    """Return everything about a device as text, one line each; the first line has what its cell shows."""
    status = str(DeviceStatus(cell.status).label)
    if cell.drain_to and cell.drain_to != cell.status:
        status += ", " + _("draining to %(status)s") % {"status": DeviceStatus(cell.drain_to).label}
    if cell.verdict != Verdict.HEALTHY:
        status += f" · {Verdict(cell.verdict).label}"
    first = f"{cell.index:02}" if cell.temperature is None else f"{cell.index:02} {cell.temperature:.0f}°"
    lines = [f"{first} {cell.model} · {status}", _holder_text(cell.holder), _values_text(cell)]
    return "\n".join(line for line in lines if line)


def _run(run: Run, pages: dict[str, str]) -> str:
    cells = "".join(_cell(cell, pages) for cell in run.cells)
    if run.holder is None:
        return f'<div class="mc-run"><div>{cells}</div></div>'
    ends = " mc-before" * run.before + " mc-after" * run.after
    name = f"#{run.holder.job}" if run.holder.job else f"SDA {run.holder.sda}"
    if len(run.cells) > 1:
        name += f" {escape(run.holder.owner)}"
    line = f'<span class="mc-whose" aria-hidden="true">{name}</span>'
    return f'<div class="mc-run mc-held{ends}"><div>{cells}</div>{line}</div>'


def _cell(cell: Cell, pages: dict[str, str]) -> str:
    page, holder = f"{pages['backends_device']}{cell.pk}/change/", ""
    if cell.holder and cell.holder.job:
        page, holder = f"{pages['scheduler_job']}{cell.holder.job}/change/", f' data-holder="{cell.holder.job}"'
    elif cell.holder:
        page, holder = f"{pages['sda_sda']}{cell.holder.sda}/change/", f' data-holder="sda{cell.holder.sda}"'
    return CELL.format(
        pk=cell.pk,
        meaning=cell.meaning,
        old=" mc-old" if cell.reported_at and cell.old else "",
        health="" if cell.verdict == Verdict.HEALTHY else f" mc-{cell.verdict.lower()}",
        stop=-1 if cell.index else 0,
        page=page,
        holder=holder,
        label=escape(device_text(cell)),
        index=cell.index,
        values=_figures(cell),
    )


def _figures(cell: Cell) -> str:
    mark = f' class="mc-{cell.heat}"' if cell.heat else ""
    heat = NOTHING if cell.temperature is None else f"{cell.temperature:.0f}°"
    bars = _bar(0, cell.gpu) + _bar(5, cell.memory)
    return f"<span{mark}>{heat}</span>" + (GAUGE.format(bars=bars) if bars else "")


def _bar(y: int, value: float | None) -> str:
    """Return a bar for a value of 0..100 %; no bar for one that was not measured."""
    return "" if value is None else BAR.format(y=y, value=value)


def _holder_text(holder: Holder | None) -> str:
    if holder is None:
        return ""
    since = f"{timezone.localtime(holder.since):%Y-%m-%d %H:%M:%S}"
    words = {"number": holder.job or holder.sda, "customer": holder.owner, "since": since}
    if holder.job is None:
        return _("reserved for SDA #%(number)s of %(customer)s since %(since)s") % words
    return _("job #%(number)s of %(customer)s since %(since)s") % words


def _values_text(cell: Cell) -> str:
    if cell.reported_at is None:
        return ""
    gpu, memory = (NOTHING if value is None else round(value) for value in (cell.gpu, cell.memory))
    text = _("GPU %(gpu)s %% · memory %(memory)s %%") % {"gpu": gpu, "memory": memory}
    if not cell.old:
        return text
    return text + " · " + _("as of %(time)s") % {"time": f"{timezone.localtime(cell.reported_at):%Y-%m-%d %H:%M:%S}"}
