"""What this app announces."""

from django.dispatch import Signal

# changes: a list of `alerts.services.AlertChange`. It is sent in the transaction of the change, after the rows are
# written; `alerts.queries.alerts_with` reads what a message needs.
alerts_changed = Signal()
