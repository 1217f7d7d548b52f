"""How a Celery worker waits for its broker."""

from functools import partial

from celery.worker.consumer import Consumer
from kombu import Connection

PAUSE = 2  # seconds


class PatientConsumer(Consumer):
    """Look for a lost broker every two seconds, for ever.

    Celery's own pauses grow to 30 s, so after a long outage workers would stay away that long; no setting changes it.
    """

    def ensure_connected(self, conn: Connection) -> Connection:
        steadily = partial(conn.ensure_connection, interval_start=PAUSE, interval_step=0, interval_max=PAUSE)
        vars(conn)["ensure_connection"] = steadily
        connected: Connection = super().ensure_connected(conn)
        return connected
