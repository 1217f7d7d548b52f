"""Signals of this app, sent inside the transaction."""

from django.dispatch import Signal

deliveries_enqueued = Signal()
"""Deliveries of the channels `channel_ids` wait."""

channel_failing = Signal()
"""The channel `channel_id` has accepted nothing since `since`; `result` is the last AttemptResult, `code` its code."""

channel_recovered = Signal()
"""The channel `channel_id`, of which one of the two others told, accepts messages again, or is gone."""

deliveries_failed = Signal()
"""`number` deliveries of the channel `channel_id` were given up."""
