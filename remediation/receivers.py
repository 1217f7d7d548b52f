"""What this app does about signals of the apps below."""

from django.dispatch import receiver

from backends.signals import repair_stirred
from core.wakeups import enqueue_once_on_commit
from remediation.tasks import look_at


@receiver(repair_stirred)
def on_repair_stirred(*, backend_ids: list[int], **_signal: object) -> None:
    """Have a worker look at the repairs of nodes on commit."""
    for backend_id in backend_ids:
        enqueue_once_on_commit(look_at, backend_id=backend_id)
