"""The what-if page: what a change would do to the queues. Nothing is written."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET

from backends.choices import SchedulingPolicy
from console.pages.base_page import render_page
from console.pages.whatif_chart import ChartRow, chart, legend
from console.pages.whatif_params import DEFAULT_SIZE, LONGEST, WhatIfParams, read_params
from console.queries import whatif as reads
from core.clock import from_ms
from core.errors import Message
from scheduler.estimates.start_estimates import Estimate
from scheduler.estimates.what_if import GroupResult, evaluate
from scheduler.pending_reason import pending_reason_text
from scheduler.policy.forecast import Start
from scheduler.policy.what_if import Effect, StartChange

SHOWN = 100  # rows of a table; the worst come first
Names = Mapping[int, reads.JobName]
EFFECTS: Mapping[Effect, tuple[Message, str]] = {
    Effect.BREAKS: (_("can never start"), "mc-out"),
    Effect.STALLS: (_("start no longer known"), "mc-unknown"),
    Effect.LATER: (_("later"), "mc-moving"),
    Effect.STARTS: (_("start becomes known"), "mc-used"),
    Effect.SOONER: (_("sooner"), "mc-used"),
    Effect.SAME: (_("as before"), "mc-idle"),
}
ORDER = list(EFFECTS)
AT_ONCE = (_("starts at once"), "mc-used")


@dataclass(frozen=True, slots=True)
class JobChange:
    """How a change affects one waiting job."""

    job: int
    customer: str
    process: str
    devices: int
    priority: int
    effect: Message
    colour: str
    before: Estimate | None
    after: Estimate | None
    looked_until: datetime | None
    racks: str
    reason: str


@dataclass(frozen=True, slots=True)
class QueueChange:
    """How a change affects the queue of one group.

    `devices` counts the devices of the group in any state, and `left` those that it would have with the change.
    `unknown` counts the jobs without a start estimate, with the change or without it.
    """

    name: str
    devices: int
    left: int
    unknown: int
    rows: Sequence[JobChange]
    counts: Sequence[tuple[Message, str, int]]
    waiting: int
    changed: int
    stay: int
    clear: datetime | None
    until: datetime | None
    took: float


@gzip_page
@require_GET
def what_if(request: HttpRequest) -> HttpResponse:
    """Return the page: the form and, if it is filled in without errors, how the change affects each queue."""
    params = read_params(request.GET)
    results = evaluate(params.change) if params.answerable else []
    chosen = {one.group: _chosen(one) for one in results}
    names = reads.job_names([change.request.id for some in chosen.values() for change in some])
    context = {
        "params": params,
        "given": params.given,
        "longest": LONGEST,
        "policies": SchedulingPolicy.choices,
        "size": params.given["size"] or DEFAULT_SIZE,
        "queues": [_queue_change(one, chosen[one.group], params, names) for one in results],
        "chart": chart([row for one in results for row in _chart_rows(one, chosen[one.group], names)]),
        "legend": legend(),
        "took": sum(one.took_s for one in results),
        "operates": request.user.has_perm("backends.change_backend"),
    }
    return render_page(request, "console/whatif.html", _("What if"), **context)


def _chosen(result: GroupResult) -> list[StartChange]:
    """Return the changes of a queue, the worst effect first, within one effect in the order of the queue."""
    changes = [one for one in result.result.start_changes if one.effect is not Effect.SAME]
    return sorted(changes, key=lambda one: ORDER.index(one.effect))[:SHOWN]


def _queue_change(
    result: GroupResult, chosen: Sequence[StartChange], params: WhatIfParams, names: Names
) -> QueueChange:
    start_changes = result.result.start_changes
    effects = Counter(_effect(one, result.now_ms) for one in start_changes)
    head = next((one.waits.blocker for one in start_changes if one.waits and one.waits.blocker), None)
    return QueueChange(
        name=params.groups.get(result.group, f"#{result.group}"),
        devices=result.result.capacity,
        left=result.result.left,
        unknown=sum(one.effect is Effect.SAME and one.after is None for one in start_changes),
        rows=[_job_change(one, result, head, names) for one in chosen],
        counts=[
            (effect, colour, effects[effect, colour])
            for effect, colour in (AT_ONCE, *EFFECTS.values())
            if effects[effect, colour]
        ],
        waiting=len(start_changes),
        changed=sum(one.effect is not Effect.SAME for one in start_changes),
        stay=len(result.result.stay),
        clear=_at(result.clear_ms),
        until=_at(result.result.until_ms),
        took=result.took_s,
    )


def _effect(change: StartChange, now_ms: int) -> tuple[Message, str]:
    """Return label and colour of the effect on a job."""
    if change.effect in (Effect.SOONER, Effect.STARTS) and change.after and change.after.at_ms <= now_ms:
        return AT_ONCE
    return EFFECTS[change.effect]


def _job_change(change: StartChange, result: GroupResult, head: int | None, names: Names) -> JobChange:
    request, waits = change.request, change.waits
    effect, colour = _effect(change, result.now_ms)
    name = names.get(request.id, reads.JobName("", ""))
    return JobChange(
        job=request.id,
        customer=name.customer,
        process=name.process,
        devices=request.devices,
        priority=request.priority,
        effect=effect,
        colour=colour,
        before=_estimate(change.before),
        after=_estimate(change.after),
        looked_until=_at(result.result.until_ms),
        racks=_racks(change, result),
        reason=pending_reason_text(waits.reason, waits.needed, waits.available, waits.blocker or head) if waits else "",
    )


def _racks(change: StartChange, result: GroupResult) -> str:
    """Return the racks in which a job starts with the change, as far as they are known."""
    nodes = {node for node, _mask in change.after.devices} if change.after else set()
    return ", ".join(sorted({node.rack for node in result.result.changed.nodes if node.id in nodes and node.rack}))


def _chart_rows(result: GroupResult, chosen: Iterable[StartChange], names: Names) -> list[ChartRow]:
    """Return the rows of the chart: jobs with a start estimate with or without the change."""
    return [
        ChartRow(
            job=one.request.id,
            customer=names.get(one.request.id, reads.JobName("", "")).customer,
            devices=one.request.devices,
            now_ms=result.now_ms,
            before=one.before.at_ms if one.before else None,
            after=one.after.at_ms if one.after else None,
            runs=result.expected.runs.get(one.request.id),
        )
        for one in chosen
        if one.before or one.after
    ]


def _estimate(start: Start | None) -> Estimate | None:
    return None if start is None else Estimate(from_ms(start.at_ms), start.basis)


def _at(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)
