"""News of this floor that its own receivers turn into doorbells."""

from django.dispatch import Signal

queue_changed = Signal()
"""The queue of the backend group `group_id` may look different now; sent inside the transaction."""
