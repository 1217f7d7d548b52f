from typing import Any

from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.login.lockout import forget_attempts_here, is_locked_out, record_lockout
from accounts.models import Operator
from accounts.signals import mail_ordered
from accounts.tasks import send_mail
from core.wakeups import enqueue_on_commit


@receiver(mail_ordered)
def on_mail_ordered(*, mail_id: int, **_signal: object) -> None:
    """Send a mail once its order is committed."""
    enqueue_on_commit(send_mail, mail_id=mail_id)


@receiver(user_login_failed)
def on_login_failed(*, credentials: dict[str, Any], request: HttpRequest | None = None, **_signal: object) -> None:
    """Record a lock-out when a failed log-in used up the last attempt."""
    name = credentials.get("username")
    if request is not None and name and not is_locked_out(request):
        record_lockout(request, name)


@receiver(user_logged_in)
def on_logged_in(*, request: HttpRequest, user: Operator, **_signal: object) -> None:
    """Delete the attempts of an operator who has logged in."""
    forget_attempts_here(request, user)
