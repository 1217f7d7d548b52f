"""A replay in virtual time, written into the database as if it had happened here. Twice is once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from backends.models import BackendGroup, Device
from backends.services.groups import create_backend_group
from backends.services.history import add_past_nodes
from core.clock import to_ms
from core.errors import Duplicate, InvalidParameter
from core.times import OLDEST
from fleet.trace.customers import TRACE, Customer, customer_of, make_customers
from scheduler.replay.engine import Replay, ReplayedRun
from scheduler.replay.trace import TraceNode
from scheduler.services.history import PastJob, add_past_jobs
from sda.models import Sda
from usage.models import UsageHour
from usage.services import recount_hours, settled_until

BATCH = 2_000  # jobs in one transaction, for which others wait
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

DeviceIds = Mapping[tuple[str, int], int]


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """Result of an import; `device_ms` is the hourly usage of the trace's customers now."""

    jobs: int
    new: int
    customers: int
    start: datetime
    end: datetime
    device_ms: int


@dataclass(frozen=True, slots=True)
class Place:
    """Position of a replay in the calendar and among the devices."""

    prefix: str
    shift_ms: int
    names: tuple[str, ...]
    devices: DeviceIds
    sdas: Mapping[Customer, Sda]


def write_history(prefix: str, outcome: Replay, begin: datetime, report: Callable[[str], None]) -> ImportSummary:
    """Write the nodes, customers and jobs of a replay whose first job was asked for at `begin`; roll its hours up.

    Does what is missing of an import that was broken off. Raises InvalidParameter for a history that is not over,
    Duplicate when the prefix belongs to something else.
    """
    first_ms, last_ms = outcome.span_ms()
    start, end = begin, _end(begin, last_ms - first_ms)
    group = _cluster(prefix, outcome, begin, end)
    sdas = make_customers(prefix, group, (run.job for run in outcome.runs))
    names = tuple(node.name for node in outcome.nodes)
    place = Place(prefix, to_ms(begin) - first_ms, names, _device_ids(group), sdas)
    new = _write_jobs(outcome, place, report)
    recount_hours(start, end, actor=TRACE)
    usage = UsageHour.objects.filter(token__in={sda.token_id for sda in sdas.values()}).aggregate(ms=Sum("device_ms"))
    return ImportSummary(len(outcome.runs), new, len(sdas), start, end, usage["ms"] or 0)


def _end(begin: datetime, length_ms: int) -> datetime:
    """Return when a history is over, which it must be. Raises InvalidParameter."""
    settled = settled_until()
    if length_ms > to_ms(settled) - to_ms(OLDEST):
        raise InvalidParameter(_("The time is out of range."), parameter="jobs")
    end = begin + timedelta(milliseconds=length_ms)
    if end > settled:
        latest = settled - (end - begin)
        text = _("This history would end at %(end)s, in hours that are not over; it may begin at the latest at %(at)s.")
        raise InvalidParameter(text % {"end": f"{end:%Y-%m-%dT%H:%MZ}", "at": f"{latest:%Y-%m-%dT%H:%MZ}"})
    return end


@transaction.atomic
def _cluster(prefix: str, outcome: Replay, begin: datetime, end: datetime) -> BackendGroup:
    """Make the trace's nodes, or find those of the same import: same nodes, same jobs, same time."""
    seen = sha256(repr((outcome.nodes, outcome.runs)).encode()).hexdigest()[:16]
    mark = f"Trace {seen} from {begin:%Y-%m-%dT%H:%M:%SZ}"
    known: BackendGroup | None = BackendGroup.objects.live().filter(name=prefix).first()
    if known is None:
        group = create_backend_group(name=prefix, description=mark, actor=TRACE)
        add_past_nodes(_sizes(outcome.nodes), group, begin, end, actor=TRACE)
        return group
    if known.description != mark:
        raise Duplicate(
            _("There is a backend group of this name that holds something else; choose another --prefix."),
            label=prefix,
        )
    return known


def _sizes(nodes: tuple[TraceNode, ...]) -> dict[str, int]:
    return {node.name: node.devices for node in nodes}


def _device_ids(group: BackendGroup) -> DeviceIds:
    rows = Device.objects.filter(backend__group=group).values_list("backend__name", "index", "pk")
    return {(name, index): pk for name, index, pk in rows}


def _write_jobs(outcome: Replay, place: Place, report: Callable[[str], None]) -> int:
    """Write the jobs in the order of their start, which allocations of one instant keep by their ids."""
    new = 0
    for first in range(0, len(outcome.runs), BATCH):
        batch = outcome.runs[first : first + BATCH]
        past = [_past_job(number, run, place) for number, run in enumerate(batch, first)]
        new += add_past_jobs(past, actor=TRACE)
        report(f"{first + len(batch):,} of {len(outcome.runs):,} jobs")
    return new


def _past_job(number: int, run: ReplayedRun, place: Place) -> PastJob:
    return PastJob(
        request_id=f"{place.prefix}-{number}",
        name=run.job.name,
        sda=place.sdas[customer_of(run.job)],
        priority=run.job.priority,
        devices=tuple(place.devices[spot] for spot in _spots(run, place.names)),
        requested_at=_at(run.job.submitted_ms, place),
        started_at=_at(run.start_ms, place),
        ended_at=_at(run.end_ms, place),
    )


def _spots(run: ReplayedRun, names: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    for node, mask in run.devices:
        yield from ((names[node], index) for index in range(mask.bit_length()) if mask >> index & 1)


def _at(ms: int, place: Place) -> datetime:
    return EPOCH + timedelta(milliseconds=ms + place.shift_ms)
