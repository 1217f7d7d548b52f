"""Orders of mails: a row until it is sent, so that neither a broker nor a mail server that is away loses one."""

from datetime import timedelta

from accounts.choices import Letter
from accounts.models import Mail, Operator
from accounts.signals import mail_ordered
from core.clock import db_now

PAUSE = timedelta(minutes=1)  # so that nobody's mailbox is filled by who asks again and again


def order_mail(operator: Operator, letter: Letter) -> None:
    """Order a mail, unless the same one waits or, for a new password, was just sent; call it in a transaction."""
    now = db_now()
    if (
        letter == Letter.RESET
        and Mail.objects.filter(operator=operator, letter=letter, sent_at__gt=now - PAUSE).exists()
    ):
        return
    waiting = Mail(operator=operator, letter=letter, asked_at=now)
    Mail.objects.bulk_create([waiting], ignore_conflicts=True)
    mail = Mail.objects.get(operator=operator, letter=letter, sent_at=None)
    mail_ordered.send(sender=Mail, mail_id=mail.pk)
