"""Signals of this app, sent inside the transaction."""

from django.dispatch import Signal

deliveries_enqueued = Signal()
"""Deliveries of the channels `channel_ids` wait."""

channel_failing = Signal()
"""The channel `channel_id` has accepted nothing since `since`; `result` is the last AttemptResult, `code` its code."""

channel_recovered = Signal()
"""The channel `channel_id`, of which `channel_failing` or `deliveries_failed` told, accepts messages again."""

channel_changed = Signal()
"""The channel `channel_id`, of which one of the two told, was changed by an operator, and is tried anew."""

channel_deleted = Signal()
"""The channel `channel_id` is deleted by `actor`; who cannot do without it raises ChannelInUse unless `force`."""

deliveries_failed = Signal()
"""`number` deliveries of the channel `channel_id` were given up."""
