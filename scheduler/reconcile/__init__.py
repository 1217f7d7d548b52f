"""The reconciler: finds what can never be and repairs it towards the safe side."""

from scheduler.reconcile import devices, jobs, queues, reservations, workers
from scheduler.reconcile.looks import Finding, look_for

# Jobs first: what ends here lets go of its devices and workers, so that the others find less.
ALL = (*jobs.LOOKS, *workers.LOOKS, *reservations.LOOKS, *devices.LOOKS, *queues.LOOKS)


def reconcile() -> list[Finding]:
    """Repair every inconsistency; give (subject, what was wrong), each also an event and an alert."""
    return [finding for look in ALL for finding in look_for(look)]
