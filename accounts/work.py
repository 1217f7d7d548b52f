from datetime import datetime, timedelta
from smtplib import SMTPException

import structlog
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.mail import EmailMessage
from django.db.models import F, Q
from django.template.loader import render_to_string

from accounts.choices import Letter
from accounts.login.links import make_link
from accounts.models import Mail
from core.apart import each_apart
from core.clock import db_now

log = structlog.get_logger(__name__)
TIMEOUT = timedelta(seconds=50)  # a try may take as long as the mail server's time-out
MOST_TRIES = 60  # about an hour


def send(mail_id: int) -> None:
    """Send a mail that waits; whoever claims it first does."""
    now = db_now()
    due = Q(tried_at=None) | Q(tried_at__lt=now - TIMEOUT)
    waiting = Mail.objects.filter(due, pk=mail_id, sent_at=None, tries__lt=MOST_TRIES)
    if not waiting.update(tried_at=now, tries=F("tries") + 1):
        return
    mail = Mail.objects.select_related("operator").get(pk=mail_id)
    if _unwanted(mail):
        mail.delete()
        return
    try:
        _written(mail).send()
    except (OSError, SMTPException) as error:
        log.warning("mail_not_sent", mail_id=mail_id, error=type(error).__name__)
        return
    Mail.objects.filter(pk=mail_id).update(sent_at=db_now())


def send_waiting() -> None:
    """Send every mail that still waits, and forget old ones."""
    now = db_now()
    waiting = Mail.objects.filter(sent_at=None, tries__lt=MOST_TRIES).order_by("pk").values_list("pk", flat=True)
    each_apart(waiting, send, "mail_failed")
    _forget(now - timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT))


def _forget(before: datetime) -> None:
    Mail.objects.filter(asked_at__lt=before).delete()


def clear_sessions() -> None:
    """Delete the sessions that have ended: nobody's, and those of who did not log out."""
    SessionStore.clear_expired()


def _unwanted(mail: Mail) -> bool:
    """Whether things have changed since the mail was ordered."""
    operator = mail.operator
    if mail.letter == Letter.RESET:
        return not operator.may_enter
    return not operator.is_active or operator.email_verified_at is not None


def _written(mail: Mail) -> EmailMessage:
    operator = mail.operator
    name = f"accounts/mail/{mail.letter.lower()}.{operator.language}.txt"
    hours = settings.PASSWORD_RESET_TIMEOUT // 3600
    text = render_to_string(
        name, {"operator": operator, "link": make_link(Letter(mail.letter), operator), "hours": hours}
    )
    subject, _line, body = text.partition("\n\n")
    return EmailMessage(subject=subject.strip(), body=body, to=[operator.email])
