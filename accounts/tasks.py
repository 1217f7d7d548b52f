from celery import shared_task

from accounts import work


@shared_task(name="moreh_cloud.accounts.tasks.send_mail", ignore_result=True)
def send_mail(mail_id: int) -> None:
    """Send one mail."""
    work.send(mail_id)


@shared_task(name="moreh_cloud.accounts.tasks.send_mails", ignore_result=True)
def send_mails() -> None:
    """Send every mail that still waits."""
    work.send_waiting()


@shared_task(name="moreh_cloud.accounts.tasks.clear_sessions", ignore_result=True)
def clear_sessions() -> None:
    """Delete the sessions that have ended."""
    work.clear_sessions()
