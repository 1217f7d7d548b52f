from django.dispatch import receiver

from moreh_cloud.accounts.signals import mail_ordered
from moreh_cloud.accounts.tasks import send_mail
from moreh_cloud.lib.bell import ring_on_commit


@receiver(mail_ordered)
def on_mail_ordered(*, mail_id: int, **_signal: object) -> None:
    ring_on_commit(send_mail, mail_id=mail_id)
