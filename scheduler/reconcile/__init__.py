"""The reconciler: finds what can never be and repairs it towards the safe side."""

from moreh_cloud.alerts.choices import Category
from moreh_cloud.alerts.services import clear_seen_alerts
from scheduler.reconcile import devices, jobs, queues, reservations, rooms, workers
from scheduler.reconcile.looks import Finding, look_for

# Jobs first: what ends here lets go of its devices and workers, so that the others find less.
ALL = (*jobs.LOOKS, *workers.LOOKS, *reservations.LOOKS, *devices.LOOKS, *rooms.LOOKS, *queues.LOOKS)


def reconcile() -> list[Finding]:
    """Repair every inconsistency and give what was wrong, each also an event and an alert.

    Alerts of earlier ones that somebody has seen are over.
    """
    found = [finding for look in ALL for finding in look_for(look)]
    clear_seen_alerts(Category.INCONSISTENCY, but={finding.subject for finding in found})
    return found
