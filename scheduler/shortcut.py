"""A job for which devices are free is started by whoever took it in, without a way through a worker (ADR 0013)."""

from threading import Lock

import structlog
from django.db import transaction
from django.db.models import F

from backends.rooms import rooms_are_kept
from moreh_cloud.lib.clock import db_now
from scheduler.claim import Changed, begin
from scheduler.load import load_few
from scheduler.models import Queue
from scheduler.policy.plan import plan
from scheduler.tick import all_start, is_taken

log = structlog.get_logger(__name__)
_turn = Lock()  # one of these at a time in a process: when many jobs arrive together, one tick takes them all


def start_at_once(group_id: int) -> bool:
    """Start all who wait in a short queue, in one short transaction; tell False when a whole tick is needed.

    Nobody is waited for, and nothing is written unless everybody starts. Never raises: who asks has been accepted.
    """
    if not rooms_are_kept() or not _turn.acquire(blocking=False):
        return False
    try:
        with transaction.atomic():
            return _start_all(group_id)
    except Changed:
        return False
    except Exception:
        log.exception("start_at_once_failed", group=group_id)
        return False
    finally:
        _turn.release()


def _start_all(group_id: int) -> bool:
    queue = Queue.objects.select_for_update(skip_locked=True).filter(pk=group_id).first()
    now = db_now()
    if queue is None or is_taken(queue, now):
        return False
    few = load_few(group_id, lock=True)
    if few is None or not all_start(decisions := plan(few)):
        return False
    begin(decisions)
    # A tick that was paused for longer than its lease finds a later epoch.
    Queue.objects.filter(pk=group_id).update(epoch=F("epoch") + 1, lease_until=None, wanted=False, ticked_at=now)
    return True
