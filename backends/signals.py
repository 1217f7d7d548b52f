"""News of this floor for the floors above, which it does not know."""

from django.dispatch import Signal

devices_freed = Signal()
"""Devices of the backend groups `group_ids` became IDLE, or a group changed; sent inside the transaction."""

power_seen_off = Signal()
"""The BMC of `backend_id` was seen off; sent inside the transaction."""

power_requested = Signal()
"""The power action `action_id` waits for a worker; sent inside the transaction."""
