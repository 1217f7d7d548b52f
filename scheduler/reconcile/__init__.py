"""The reconciler finds inconsistent rows and repairs them towards the safe side."""

from alerts.choices import Category
from alerts.services import clear_seen_alerts
from scheduler.reconcile import devices, jobs, node_capacity, queues, reservations, workers
from scheduler.reconcile.checks import Inconsistency, run_check

# Jobs first: a job that ends here releases its devices and workers, so that later checks find less.
ALL = (*jobs.CHECKS, *workers.CHECKS, *reservations.CHECKS, *devices.CHECKS, *node_capacity.CHECKS, *queues.CHECKS)


def reconcile() -> list[Inconsistency]:
    """Repair all inconsistencies and return them; each is also recorded as an event and raised as an alert.

    Acknowledged alerts of inconsistencies that are gone are cleared.
    """
    found = [inconsistency for check in ALL for inconsistency in run_check(check)]
    clear_seen_alerts(Category.INCONSISTENCY, but={inconsistency.about for inconsistency in found})
    return found
