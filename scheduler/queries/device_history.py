"""The history of the devices of a node, of one device, or of a job."""

from collections.abc import Collection

from backends.models import Backend
from backends.queries.device_history import History, read_history
from backends.telemetry_history.shapes import MEASURED, RANGES, ChosenNode
from core.clock import db_now
from scheduler.models import Job
from scheduler.queries.workers import workers_of


def history_of_node(
    node: Backend, length: str, index: int | None = None, columns: Collection[str] = MEASURED
) -> History:
    """Return the last hours of the devices of a node, or of one of them; `length` is a name of RANGES.

    Raises PrometheusFailed, HistoryUnavailable.
    """
    devices = None if index is None else frozenset({index})
    chosen = ChosenNode(node.pk, node.name, devices)
    now = db_now()
    return read_history([chosen], now - RANGES[length], now, columns)


def history_of_job(job: Job, length: str | None = None, columns: Collection[str] = MEASURED) -> History:
    """Return the values of the devices of a job while it ran, or at the end of that; in one query.

    Raises PrometheusFailed, HistoryUnavailable.
    """
    nodes = [ChosenNode(one.backend_id, one.backend.name, frozenset(one.devices)) for one in workers_of(job)]
    end = job.ended_at or db_now()
    start = job.started_at or end
    if length is not None:
        start = max(start, end - RANGES[length])
    return read_history(nodes if job.started_at else [], start, end, columns)
