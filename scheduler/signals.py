"""Signals of the scheduler that its own receivers turn into Celery messages."""

from django.dispatch import Signal

job_accepted = Signal()
"""A job was put into the queue of the backend group `group_id`; sent inside the transaction."""
queue_changed = Signal()
"""A new cycle of the backend group `group_id` may decide differently; sent inside the transaction."""
