"""Sends messages of one channel from several threads; each keeps its connection for the next message."""

import time
import traceback
from dataclasses import replace
from pathlib import Path
from threading import local

import structlog
from django.conf import settings

from core.texts import cleaned
from outbox.choices import AttemptResult, ChannelKind
from outbox.sending.details import PLAIN_HTTP
from outbox.sending.http import Deadline, Stale, WebhookConnection
from outbox.sending.mail import send_mail
from outbox.sending.outcome import Outgoing, SendError, SendOutcome
from outbox.sending.targets import WebhookTarget, parse_target
from outbox.sending.webhook import headers_of, outcome_of

MOST_CODE = 999
log = structlog.get_logger(__name__)


class Sender:
    """Sends messages, each once. Close it when all threads have ended."""

    def __init__(self, wait: float | None = None) -> None:
        self._wait = settings.MOREH_OUTBOX_TIMEOUT.total_seconds() if wait is None else wait
        self._own = local()
        self._open: list[WebhookConnection] = []

    def send(self, outgoing: Outgoing) -> SendOutcome:
        """Send a message and return what came of it; every failure is an outcome."""
        begin = time.perf_counter()
        try:
            outcome = self._send(outgoing)
        except TimeoutError:
            outcome = SendOutcome(AttemptResult.TIMEOUT)
        except SendError as error:
            outcome = SendOutcome(error.result, detail=error.detail)
        except Exception as error:
            outcome = _unforeseen(outgoing, error)
        return _storable(outcome, time.perf_counter() - begin)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._open:
            connection.close()

    def _send(self, outgoing: Outgoing) -> SendOutcome:
        if outgoing.kind == ChannelKind.MAIL:
            return send_mail(outgoing, self._wait)
        deadline = Deadline.after(self._wait)
        body = outgoing.content.encode()
        headers = headers_of(outgoing, body)
        target = parse_target(outgoing.url)
        if headers is None or target is None:
            return SendOutcome(AttemptResult.NO_SECRET)
        if not target.tls and not settings.MOREH_OUTBOX_HTTP:
            raise SendError(AttemptResult.NOT_ALLOWED, PLAIN_HTTP)
        try:
            answer = self._connection(target, deadline).post(headers, body, deadline)
        except Stale:
            answer = self._connection(target, deadline).post(headers, body, deadline)
        return outcome_of(answer, len(body))

    def _connection(self, target: WebhookTarget, deadline: Deadline) -> WebhookConnection:
        """Return the connection of this thread, a new one if there is none that can be used."""
        kept: WebhookConnection | None = getattr(self._own, "connection", None)
        if kept and kept.usable and kept.target == target:
            return kept
        if kept:
            kept.close()
        ca_file = str(settings.MOREH_OUTBOX_CA or "")
        made = WebhookConnection.open(target, settings.MOREH_OUTBOX_NETWORKS, ca_file, deadline)
        self._own.connection = made
        self._open.append(made)
        return made


def _unforeseen(outgoing: Outgoing, error: Exception) -> SendOutcome:
    """Return the outcome of an error that nobody foresaw. Its text may hold an address: the log says where it was."""
    name, last = type(error).__name__, traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    log.error("message_not_sent", message=f"msg_{outgoing.uid.hex}", kind=outgoing.kind, error=name, where=where)
    return SendOutcome(AttemptResult.GARBAGE, detail=name)


def _storable(outcome: SendOutcome, took: float) -> SendOutcome:
    """Return an outcome with its latency; what a receiver said may be odd, what is stored is not."""
    code = outcome.code if outcome.code is not None and 0 <= outcome.code <= MOST_CODE else None
    return replace(outcome, latency_ms=round(took * 1000), code=code, detail=cleaned(outcome.detail))
