"""Devices as cells, those of one holder joined. Written here, not in a template, which took five times as long for the
480 cells of a page."""

from collections.abc import Sequence

from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from backends.choices import DeviceStatus
from moreh_cloud.console.queries.nodes import Cell, Holder, Run

GAUGE = (
    '<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
    '<rect class="mc-rail" width="100" height="3"/>'
    '<rect width="{gpu:.0f}" height="3"/><rect class="mc-rail" y="5" width="100" height="3"/>'
    '<rect y="5" width="{memory:.0f}" height="3"/></svg>'
)
CELL = (
    '<a id="d{pk}" class="mc-cell mc-device mc-{meaning}" tabindex="{stop}" href="{page}"{holder} aria-label="{told}">'
    "<b>{index:02}</b> {values}</a>"
)


def picture(rows: Sequence[Sequence[Run]], label: str) -> SafeString:
    """Draw rows of runs; the whole picture is one stop for the keyboard."""
    pages = {noun: reverse(f"admin:{noun}_changelist") for noun in ("scheduler_job", "sda_sda", "backends_device")}
    drawn = "".join(f'<div class="mc-row">{"".join(_run(run, pages) for run in row)}</div>' for row in rows)
    return format_html(
        '<div class="mc-devices" role="group" aria-label="{}" data-cells>{}</div>',
        label,
        mark_safe(drawn),  # noqa: S308 - escaped where it is text
    )


def told(cell: Cell) -> str:
    """Say all about a device, one line each, what stands in its cell first."""
    status = str(DeviceStatus(cell.status).label)
    if cell.drain_to:
        status += ", " + _("draining to %(status)s") % {"status": DeviceStatus(cell.drain_to).label}
    seen = f"{cell.index:02}" if cell.temperature is None else f"{cell.index:02} {cell.temperature:.0f}°"
    lines = [f"{seen} {cell.model} · {status}", _held(cell.holder), _values(cell)]
    return "\n".join(line for line in lines if line)


def _run(run: Run, pages: dict[str, str]) -> str:
    cells = "".join(_cell(cell, pages) for cell in run.cells)
    if run.holder is None:
        return f'<div class="mc-run"><div>{cells}</div></div>'
    ends = " mc-before" * run.before + " mc-after" * run.after
    whose = f"#{run.holder.job}" if run.holder.job else f"SDA {run.holder.sda}"
    if len(run.cells) > 1:
        whose += f" {escape(run.holder.owner)}"
    line = f'<span class="mc-whose" aria-hidden="true">{whose}</span>'
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
        stop=-1 if cell.index else 0,
        page=page,
        holder=holder,
        told=escape(told(cell)),
        index=cell.index,
        values=_figures(cell),
    )


def _figures(cell: Cell) -> str:
    if cell.temperature is None:
        return "<span>–</span>"  # noqa: RUF001
    mark = f' class="mc-{cell.heat}"' if cell.heat else ""
    return f"<span{mark}>{cell.temperature:.0f}°</span>" + GAUGE.format(gpu=cell.gpu, memory=cell.memory)


def _held(holder: Holder | None) -> str:
    if holder is None:
        return ""
    since = f"{timezone.localtime(holder.since):%Y-%m-%d %H:%M:%S}"
    words = {"number": holder.job or holder.sda, "customer": holder.owner, "since": since}
    if holder.job is None:
        return _("reserved for SDA #%(number)s of %(customer)s since %(since)s") % words
    return _("job #%(number)s of %(customer)s since %(since)s") % words


def _values(cell: Cell) -> str:
    if cell.gpu is None or cell.memory is None:
        return ""
    values = {"gpu": round(cell.gpu), "memory": round(cell.memory)}
    return _("GPU %(gpu)s %% · memory %(memory)s %%") % values
