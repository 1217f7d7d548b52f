"""A Celery consumer that survives the loss of its broker."""

from functools import partial
from time import sleep
from typing import Any

from celery.worker.consumer import Consumer
from kombu import Connection
from kombu.transport.redis import Channel, QoS, Transport
from redis import ResponseError

PAUSE = 2  # seconds
# After a lost connection kombu puts unacknowledged messages back through a channel whose connection it has forgotten.
# Ours are wake-ups: beat sends them again.
QoS.restore_at_shutdown = False


class PatientChannel(Channel):
    """A channel that reports a lost connection as an error that the worker survives.

    kombu's own, used by an acknowledgement that was still due when the connection went, fails with an AttributeError:
    that ends the consumer, and the process with it or never (seen once in some twenty kills of a busy broker).
    """

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None:
            raise ConnectionError("The connection of this channel is lost.")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]  # the stubs leave it out


Transport.Channel = PatientChannel


class PatientConsumer(Consumer):
    """A consumer that retries every two seconds, for ever, while the broker is lost or refuses to serve.

    Celery's own pauses grow to 30 s, so after a long outage workers would stay away that long; no setting changes it.
    """

    def ensure_connected(self, conn: Connection) -> Connection:
        steadily = partial(conn.ensure_connection, interval_start=PAUSE, interval_step=0, interval_max=PAUSE)
        vars(conn)["ensure_connection"] = steadily
        connected: Connection = super().ensure_connected(conn)
        return connected

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Pause after a refusal as well: a broker that refuses to serve lets the worker connect again at once."""
        super().on_connection_error_after_connected(exc)
        if isinstance(exc, ResponseError):
            sleep(PAUSE)
