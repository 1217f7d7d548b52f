from celery import shared_task

from moreh_cloud.accounts import work


@shared_task(ignore_result=True)
def send_mail(mail_id: int) -> None:
    """Send one mail."""
    work.send(mail_id)


@shared_task(ignore_result=True)
def send_mails() -> None:
    """Send every mail that still waits."""
    work.send_waiting()
