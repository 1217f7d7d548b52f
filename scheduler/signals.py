"""News of this floor that its own receivers turn into doorbells."""

from django.dispatch import Signal

job_accepted = Signal()
"""A job was put into the queue of the backend group `group_id`; sent inside the transaction."""
queue_changed = Signal()
"""The queue of the backend group `group_id` may look different now; sent inside the transaction."""
