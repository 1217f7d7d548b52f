"""Signals for the apps above this one, which it does not import."""

from django.dispatch import Signal

devices_freed = Signal()
"""Devices of the backend groups `group_ids` became IDLE, or a group changed; sent inside the transaction."""

power_reported_off = Signal()
"""The BMCs of `backend_ids` reported that their nodes are off; sent inside the transaction that stores it."""

power_requested = Signal()
"""The power action `action_id` waits for a worker; sent inside the transaction."""

maintenance_changed = Signal()
"""The maintenance window `window_id` was created, changed, begun or ended; sent inside the transaction."""

repair_stirred = Signal()
"""Something happened to the nodes `backend_ids` that a repair may wait for; sent inside the transaction."""
