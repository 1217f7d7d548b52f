"""SMTP under one deadline for the whole exchange: a server that answers slowly, or without end, holds up nobody."""

import io
import smtplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from django.core.mail.backends.smtp import EmailBackend

from outbox.sending.addresses import resolved_addresses
from outbox.sending.http import CHUNK, DRAIN_WAIT, Deadline, connect

LONGEST = 1 << 20  # bytes of all answers


class _Answers(io.RawIOBase):
    """What a server answers, until the deadline, and only so much of it."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock, self._deadline, self._room = sock, deadline, LONGEST

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._room <= 0:
            raise OSError("the answers are too long")
        self._sock.settimeout(self._deadline.left())
        read = self._sock.recv_into(buffer)
        self._room -= read
        return read


class TimedSmtp(smtplib.SMTP):
    """A connection to a server of which each step may take the time that is left."""

    def __init__(self, *args: Any, deadline: Deadline, **kwargs: Any) -> None:
        self.deadline = deadline
        super().__init__(*args, **kwargs)

    def _get_socket(self, host: str, port: int, _timeout: float) -> socket.socket:
        sock = connect(resolved_addresses(host, port, self.deadline.left()), port, self.deadline)
        sock.settimeout(self.deadline.left())
        return sock

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply."""
        own: Any = self
        if own.file is None:
            own.file = io.BufferedReader(_Answers(own.sock, self.deadline))
        return super().getreply()

    def send(self, s: Any) -> None:
        """Send text or bytes."""
        data = s.encode(self.command_encoding) if isinstance(s, str) else bytes(s)
        for start in range(0, len(data), CHUNK):
            if self.sock:
                self.sock.settimeout(self.deadline.left())
            super().send(data[start : start + CHUNK])


class TimedSmtps(smtplib.SMTP_SSL, TimedSmtp):
    """The same over TLS from the beginning."""

    def __init__(self, *args: Any, deadline: Deadline, **kwargs: Any) -> None:
        self.deadline = deadline
        smtplib.SMTP_SSL.__init__(self, *args, **kwargs)


class _Backend(EmailBackend):
    """Django's backend, as the settings say, with such a connection."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__(timeout=deadline.left())
        self._deadline = deadline

    @property
    def connection_class(self) -> Any:
        return partial(TimedSmtps if self.use_ssl else TimedSmtp, deadline=self._deadline)


@contextmanager
def mail_server(deadline: Deadline) -> Iterator[smtplib.SMTP]:
    """Connect to the mail server of the settings, logged in. Raises SendError, SMTPException, OSError."""
    backend = _Backend(deadline)
    try:
        backend.open()
        server: Any = backend.connection
        yield server
    finally:  # what came of it is known: the end of the connection changes nothing
        deadline.at = min(deadline.at, Deadline.after(DRAIN_WAIT).at)
        with suppress(OSError):
            backend.close()
