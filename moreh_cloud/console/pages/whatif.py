"""What if: what a change would do to the queues, before anybody makes it. Writes nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET

from backends.choices import SchedulingPolicy
from moreh_cloud.console.pages.frame import show
from moreh_cloud.console.pages.whatif_asked import DEFAULT_SIZE, Asked, read_asked
from moreh_cloud.console.pages.whatif_picture import Line, legend, picture
from moreh_cloud.console.queries import whatif as reads
from moreh_cloud.lib.clock import from_ms
from moreh_cloud.lib.errors import Message
from scheduler.outlook import Estimate
from scheduler.policy.forecast import Start
from scheduler.policy.whatif import Effect, Outcome
from scheduler.whatif import Told, ask
from scheduler.why import in_words

SHOWN = 100  # rows of a table; the worst come first
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
class Row:
    """What becomes of one job."""

    job: int
    customer: str
    process: str
    devices: int
    priority: int
    word: Message
    look: str
    before: Estimate | None
    after: Estimate | None
    cut: datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class Part:
    """What becomes of the queue of one group."""

    name: str
    rows: Sequence[Row]
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
    """Show the question and, if there is one, its answer."""
    asked = read_asked(request.GET)
    told = ask(asked.wish) if asked.answerable else []
    chosen = {one.group: _chosen(one) for one in told}
    names = reads.called([outcome.request.id for some in chosen.values() for outcome in some])
    context = {
        "asked": asked,
        "given": asked.given,
        "policies": SchedulingPolicy.choices,
        "size": asked.given["size"] or DEFAULT_SIZE,
        "parts": [_part(one, chosen[one.group], asked, names) for one in told],
        "picture": picture([line for one in told for line in _lines(one, chosen[one.group], names)]),
        "legend": legend(),
        "took": sum(one.took_s for one in told),
        "operates": request.user.has_perm("backends.change_backend"),
    }
    return show(request, "console/whatif.html", _("What if"), **context)


def _chosen(told: Told) -> list[Outcome]:
    """Give those that change, the worst first, within one effect in the order of the queue."""
    changes = [one for one in told.answer.outcomes if one.effect is not Effect.SAME]
    return sorted(changes, key=lambda one: ORDER.index(one.effect))[:SHOWN]


def _part(told: Told, chosen: Sequence[Outcome], asked: Asked, names: Mapping[int, reads.Called]) -> Part:
    outcomes = told.answer.outcomes
    words = Counter(_word(one, told.now_ms) for one in outcomes)
    head = next((one.waits.blocker for one in outcomes if one.waits and one.waits.blocker), None)
    return Part(
        name=asked.groups.get(told.group, f"#{told.group}"),
        rows=[_row(one, told, head, names) for one in chosen],
        counts=[(word, look, words[word, look]) for word, look in (AT_ONCE, *EFFECTS.values()) if words[word, look]],
        waiting=len(outcomes),
        changed=sum(one.effect is not Effect.SAME for one in outcomes),
        stay=len(told.answer.stay),
        clear=_at(told.clear_ms),
        until=_at(told.answer.until_ms),
        took=told.took_s,
    )


def _word(outcome: Outcome, now_ms: int) -> tuple[Message, str]:
    """Name what becomes of a job, and how that looks."""
    if outcome.effect in (Effect.SOONER, Effect.STARTS) and outcome.after and outcome.after.at_ms <= now_ms:
        return AT_ONCE
    return EFFECTS[outcome.effect]


def _row(outcome: Outcome, told: Told, head: int | None, names: Mapping[int, reads.Called]) -> Row:
    request, waits = outcome.request, outcome.waits
    word, look = _word(outcome, told.now_ms)
    name = names.get(request.id, reads.Called("", ""))
    return Row(
        job=request.id,
        customer=name.customer,
        process=name.process,
        devices=request.devices,
        priority=request.priority,
        word=word,
        look=look,
        before=_estimate(outcome.before),
        after=_estimate(outcome.after),
        cut=_at(told.answer.until_ms),
        why=in_words(waits.reason, waits.needed, waits.available, waits.blocker or head) if waits else "",
    )


def _lines(told: Told, chosen: Iterable[Outcome], names: Mapping[int, reads.Called]) -> list[Line]:
    """Give what the picture shows: of each job that changes, when it holds its devices before and after."""
    return [
        Line(
            job=one.request.id,
            customer=names.get(one.request.id, reads.Called("", "")).customer,
            devices=one.request.devices,
            now_ms=told.now_ms,
            before=one.before.at_ms if one.before else None,
            after=one.after.at_ms if one.after else None,
            runs=told.expected.runs.get(one.request.id),
        )
        for one in chosen
        if one.before or one.after
    ]


def _estimate(start: Start | None) -> Estimate | None:
    return None if start is None else Estimate(from_ms(start.at_ms), start.basis)


def _at(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)
