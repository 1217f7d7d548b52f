"""How long jobs have waited when they get their devices."""

from collections.abc import Iterable
from functools import partial

from django.db import transaction

from core.measures import WAITS, Histogram

WAITED = Histogram("moreh_job_wait_seconds", "Time from the request of a job to its devices.", ("group",), WAITS)


def count_waits_on_commit(group_id: int, waits_ms: Iterable[int]) -> None:
    """Count how long jobs of a group have waited (ms), once this transaction is committed."""
    seconds = [max(0, wait) / 1000 for wait in waits_ms]  # a clock may have been set back
    transaction.on_commit(partial(WAITED.add_all, (str(group_id),), seconds))
