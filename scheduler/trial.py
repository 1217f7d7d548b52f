"""Before a job is submitted: would it run, when, and what would have to change? Reads only."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from moreh_cloud.lib.clock import db_now, to_ms
from scheduler.choices import LIVE
from scheduler.load import Row, load, request_of
from scheduler.models import Job
from scheduler.outlook import expected_in, patience
from scheduler.policy.forecast import Start, forecast
from scheduler.policy.plan import plan
from scheduler.policy.reasons import Placed, Reason, Waits
from scheduler.policy.snapshot import Request, Snapshot
from scheduler.policy.whatif import Change, changed
from scheduler.whatif import PATIENCE_S
from sda.models import Sda
from tokens.choices import MAX_PRIORITY
from tokens.models import Token

GUEST = -1  # the id of a job that is not there
MOST_NODES = 64  # more new nodes than these are not tried
LIMITS = (Reason.OVER_TOKEN_LIMIT, Reason.OVER_GROUP_LIMIT)


class Remedy(StrEnum):
    """What would let a job start at once. The values stay as they are on the wire."""

    PRIORITY = "priority"  # this priority
    NODES = "nodes"  # so many more nodes of the size of the group's largest
    MAX_DEVICES = "maxDevices"  # this limit of its token, or of one of its token's groups


@dataclass(frozen=True, slots=True)
class Trial:
    """What would be asked for; without an SDA, a new one. The priority is the token's unless another is given."""

    token: Token
    devices: int
    group: int
    sda: Sda | None = None
    priority: int | None = None
    time_limit: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a job would stand, why it would wait (None: it would start at once), when it would start (None: nobody
    knows), and what would each by itself let it start at once."""

    place: int
    waits: Waits | None
    start: Start | None
    remedies: Sequence[tuple[Remedy, int]] = ()


def try_out(trial: Trial, *, patience_s: float = PATIENCE_S) -> Verdict:
    """Say what would become of a job if it were submitted now."""
    if trial.sda and trial.sda.reserved:
        return _on_reserved(trial.sda)
    guest = _row(trial)
    snapshot = load(trial.group, everyone=True, guests=[guest])
    request = request_of(guest)
    world = changed(snapshot, Change(submit=(request,)))
    place, waits = _decide(world)
    seen = forecast(world, expected_in(snapshot, [request]), enough=patience(patience_s))
    remedies = list(_remedies(snapshot, request, waits, patience(patience_s))) if waits else []
    return Verdict(place, waits, seen.starts.get(GUEST), remedies)


def _on_reserved(sda: Sda) -> Verdict:
    """Say what becomes of a job whose devices are held for it: it starts unless another one is on them."""
    busy = Job.objects.filter(sda=sda, status__in=LIVE).count()
    waits = Waits(GUEST, Reason.SDA_BUSY, 1, 0) if busy else None
    return Verdict(busy + 1, waits, None)


def _row(trial: Trial) -> Row:
    token, sda = trial.token, trial.sda
    priority = token.priority if trial.priority is None else trial.priority
    slots = token.max_duplicates if sda else 0
    at_ms = to_ms(db_now())
    return Row(GUEST, token.pk, sda.pk if sda else 0, trial.devices, priority, at_ms, trial.time_limit, slots)


def _decide(world: Snapshot) -> tuple[int, Waits | None]:
    """Plan; give the place of the guest in the queue and why it would wait."""
    for place, decision in enumerate(plan(world), 1):
        if decision.request_id == GUEST:
            return place, None if isinstance(decision, Placed) else decision
    raise LookupError(GUEST)


def _remedies(
    snapshot: Snapshot, request: Request, waits: Waits, enough: Callable[[], bool]
) -> Iterator[tuple[Remedy, int]]:
    """Try what may help, as long as there is time; each that is given has been planned and starts the job at once."""
    if waits.reason is Reason.TOKEN_STOPPED:
        return
    if waits.reason in LIMITS:
        yield Remedy.MAX_DEVICES, waits.needed
        return
    first = max((one.priority for one in snapshot.queue), default=request.priority) + 1
    if request.priority < first <= MAX_PRIORITY and _starts(snapshot, request._replace(priority=first)):
        yield Remedy.PRIORITY, first
    number = 1
    while snapshot.largest_node and number <= MOST_NODES and not enough():
        if _starts(snapshot, request, (snapshot.largest_node,) * number):
            yield Remedy.NODES, number
            return
        number *= 2


def _starts(snapshot: Snapshot, request: Request, add: tuple[int, ...] = ()) -> bool:
    return _decide(changed(snapshot, Change(submit=(request,), add=add)))[1] is None
