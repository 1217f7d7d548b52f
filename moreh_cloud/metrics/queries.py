"""The counts that are told to Prometheus: few queries, the same number for 10 rows and for 10,000."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q

from backends.choices import BackendStatus, DeviceStatus
from backends.models import Backend, BackendGroup, Device
from moreh_cloud.alerts.choices import Level
from moreh_cloud.alerts.models import OPEN, Alert
from moreh_cloud.console.queries.jobs import count_live
from moreh_cloud.console.queries.uses import Tally
from moreh_cloud.lib.clock import to_ms
from scheduler.choices import LIVE, Use
from scheduler.models import WAITING, Job
from sda.models import SdaModel

Values = Mapping[tuple[str, ...], float]
"""A figure for each set of labels."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The names of backend groups: of every one there ever was by its id, and of those that there are."""

    names: Mapping[int, str]
    live: Sequence[str]

    def table(self, rows: Iterable[tuple[int, str, int]], statuses: Iterable[str]) -> Values:
        """Count by name and status; what a group has none of is 0, so that no series comes and goes."""
        found: Counter[tuple[str, ...]] = Counter({(name, str(status)): 0 for status in statuses for name in self.live})
        for group, status, number in rows:
            if group in self.names:  # one that was made since the names were read is told next time
                found[self.names[group], status] += number
        return found


def groups() -> Groups:
    """Name all backend groups, in one query."""
    rows = list(BackendGroup.objects.order_by("index", "id").values_list("pk", "name", "deleted_at"))
    return Groups({pk: name for pk, name, _ in rows}, [name for _, name, deleted in rows if deleted is None])


def model_names() -> Mapping[int, str]:
    """Name every SDA model that there ever was."""
    return dict(SdaModel.objects.order_by().values_list("pk", "name"))


def nodes(known: Groups) -> Values:
    rows = Backend.objects.live().order_by().values_list("group_id", "status")
    return known.table(rows.annotate(Count("pk")), BackendStatus.values)


def devices(known: Groups) -> Values:
    rows: Any = Device.objects.filter(backend__deleted_at__isnull=True).order_by()
    return known.table(rows.values_list("backend__group_id", "status").annotate(Count("pk")), DeviceStatus.values)


def jobs(known: Groups) -> Values:
    found = count_live(Q())
    return known.table(((group, status, number) for (group, status), (number, _) in found.items()), LIVE)


def oldest_waits(known: Groups, now: datetime) -> Values:
    """Tell for how many seconds the job that was requested first of those that wait has waited; 0 where none does."""
    first = Job.objects.filter(WAITING).order_by().values_list("group_id").annotate(Min("requested_at"))
    waits: dict[tuple[str, ...], float] = {(name,): 0 for name in known.live}
    for group, at in first:
        if group in known.names:
            waits[(known.names[group],)] = max(0, to_ms(now) - to_ms(at)) / 1000
    return waits


def open_alerts() -> Values:
    found = dict(Alert.objects.filter(OPEN).order_by().values_list("level").annotate(Count("pk")))
    return {(level,): found.get(level, 0) for level in Level.values}


def by_use(tally: Tally) -> Values:
    """Tell of each Use how many there are, 0 included."""
    return {(use,): tally.get(use, 0) for use in Use.values}
