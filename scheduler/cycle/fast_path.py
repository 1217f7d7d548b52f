"""Fast path: if devices are free, a job starts in the process that accepted it, without a worker (ADR 0013)."""

from threading import Lock

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F

from core.clock import db_now
from core.lease import is_leased
from core.postgresql import is_postgresql
from scheduler.cycle.bind_batch import PlanOutdated, bind_as_planned
from scheduler.cycle.limits import is_draining
from scheduler.cycle.load import load_short_queue
from scheduler.cycle.tick import all_start
from scheduler.models import Queue
from scheduler.policy.plan import plan

log = structlog.get_logger(__name__)
_lock = Lock()  # one at a time in a process: when many jobs arrive together, one cycle starts them all


def try_fast_path(group_id: int) -> bool:
    """Start all jobs of a short queue in one short transaction; return False if a cycle is needed instead.

    It waits for no lock, and writes nothing unless all jobs start. It never raises, because the job has been accepted.
    """
    if not is_postgresql() or not _lock.acquire(blocking=False):
        return False
    try:
        with transaction.atomic():
            return _start_all(group_id)
    except (PlanOutdated, IntegrityError):
        return False
    except Exception:
        log.exception("start_at_once_failed", group=group_id)
        return False
    finally:
        _lock.release()


def _start_all(group_id: int) -> bool:
    queue = Queue.objects.select_for_update(skip_locked=True).filter(pk=group_id).first()
    now = db_now()
    if queue is None or is_leased(queue, now) or is_draining(group_id):
        return False
    few = load_short_queue(group_id, lock=True)
    if few is None or not all_start(decisions := plan(few), few):
        return False
    bind_as_planned(group_id, decisions, {request.id: request for request in few.queue})
    # A cycle that was paused for longer than its lease finds a later epoch.
    Queue.objects.filter(pk=group_id).update(
        epoch=F("epoch") + 1, lease_until=None, wanted=False, ticked_at=now, heads={}
    )
    return True
