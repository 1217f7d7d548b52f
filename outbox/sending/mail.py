"""Mail by Django's backend, as the settings say. Without a server its mails become files."""

import json
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parseaddr
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from socket import gaierror
from ssl import SSLCertVerificationError
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.smtp import EmailBackend
from django.utils.encoding import punycode

from core.mail_note import mail_note
from outbox.choices import AttemptResult
from outbox.sending.details import STORED_AS_FILE
from outbox.sending.http import Deadline
from outbox.sending.outcome import Outgoing, SendOutcome
from outbox.sending.recipients import Refusal, is_reached, outcome_of_recipients, reply_text
from outbox.sending.smtp import mail_server

OK = AttemptResult.OK
NO_ADDRESS = (553, b"not a mail address")
RESULTS: Mapping[type[Exception], AttemptResult] = {
    TimeoutError: AttemptResult.TIMEOUT,
    SSLCertVerificationError: AttemptResult.UNTRUSTED,
    gaierror: AttemptResult.UNKNOWN_HOST,
    SMTPException: AttemptResult.BROKEN,
}


def mail_content(subject: str, text: str, html: str) -> str:
    """Return a mail as it is stored."""
    return json.dumps({"subject": subject, "text": text, "html": html}, ensure_ascii=False)


def ascii_address(address: str) -> str:
    """Return a mail address as SMTP takes it: the domain as IDNA. Raises UnicodeError when there is no such form."""
    user, _at, domain = address.rpartition("@")
    user.encode("ascii")
    return f"{user}@{punycode(domain)}"


def send_mail(outgoing: Outgoing, wait: float) -> SendOutcome:
    """Send a mail at once to all recipients that are left; the whole exchange may take `wait` seconds."""
    left = [one for one in outgoing.recipients if one not in outgoing.settled]
    if not left and is_reached(outgoing.settled):  # the others are no recipients of the channel any more
        return SendOutcome(OK, apart=True)
    left = left or list(outgoing.recipients)
    unknown: dict[str, Refusal] = {one: NO_ADDRESS for one in left if not _is_known(one)}
    message = _message(outgoing)
    size = len(message.message().as_bytes())
    known = {ascii_address(one): one for one in left if one not in unknown}
    try:
        refused = _handed_over(message, list(known), wait) if known else {}
    except SMTPRecipientsRefused as error:
        refused = error.recipients
    except (SMTPException, OSError) as error:
        return replace(_failure(error), size=size, common=True)
    if refused is None:
        return SendOutcome(OK, detail=STORED_AS_FILE if mail_note() else "", size=size)
    told = unknown | {known.get(one, one): reply for one, reply in refused.items()}
    return outcome_of_recipients(left, told, outgoing.settled, size)


def _is_known(address: str) -> bool:
    try:
        ascii_address(address)
    except UnicodeError:
        return False
    return True


def _handed_over(message: EmailMultiAlternatives, to: list[str], wait: float) -> Mapping[str, Refusal] | None:
    """Hand a mail over; return whom the server refused, of several, None where no SMTP server takes mail."""
    connection = get_connection(timeout=wait)
    if not isinstance(connection, EmailBackend):
        connection.send_messages([message])
        return None
    sender = ascii_address(parseaddr(message.from_email)[1])
    as_sent: Any = message.message()
    with mail_server(Deadline.after(wait)) as server:
        told: Mapping[str, Refusal] = server.sendmail(sender, to, as_sent.as_bytes(linesep="\r\n"))
        return told


def _failure(error: SMTPException | OSError) -> SendOutcome:
    if isinstance(error, SMTPResponseException):
        result = AttemptResult.REFUSED if error.smtp_code >= 0 else AttemptResult.GARBAGE  # -1: it is not SMTP
        return SendOutcome(result, error.smtp_code, reply_text(error.smtp_error))
    late = error.__context__ if isinstance(error.__context__, TimeoutError) else error  # smtplib wraps time-outs
    result = next((result for kind, result in RESULTS.items() if isinstance(late, kind)), AttemptResult.UNREACHABLE)
    return SendOutcome(result, detail=getattr(error, "strerror", None) or type(error).__name__)


def _message(outgoing: Outgoing) -> EmailMultiAlternatives:
    content: Mapping[str, str] = json.loads(outgoing.content)
    host = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    headers = {"Message-ID": f"<{outgoing.uid.hex}@{host}>", "Auto-Submitted": "auto-generated"}
    message = EmailMultiAlternatives(
        subject=" ".join(content["subject"].split()),
        body=content["text"],
        to=[ascii_address(one) for one in outgoing.recipients if _is_known(one)],
        headers=headers,
    )
    if content["html"]:
        message.attach_alternative(content["html"], "text/html")
    return message
