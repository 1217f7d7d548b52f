"""How a Celery worker waits for its broker."""

from functools import partial

from celery.worker.consumer import Consumer
from kombu import Connection
from kombu.transport.redis import QoS

PAUSE = 2  # seconds
# After a lost connection kombu puts unacknowledged messages back through a channel whose connection it has forgotten:
# an AttributeError that ends the consumer and leaves the process hanging. Ours are doorbells: beat rings again.
QoS.restore_at_shutdown = False


class PatientConsumer(Consumer):
    """Look for a lost broker every two seconds, for ever.

    Celery's own pauses grow to 30 s, so after a long outage workers would stay away that long; no setting changes it.
    """

    def ensure_connected(self, conn: Connection) -> Connection:
        steadily = partial(conn.ensure_connection, interval_start=PAUSE, interval_step=0, interval_max=PAUSE)
        vars(conn)["ensure_connection"] = steadily
        connected: Connection = super().ensure_connected(conn)
        return connected
