"""Stop tokens and let them start jobs again, with the queues that change because of it."""

from collections.abc import Collection, Iterable, Mapping

from django.db import transaction

from events.actor import Actor
from scheduler.models import WAITING, Job
from scheduler.signals import queue_changed
from tokens import services as tokens


@transaction.atomic
def stop_tokens(stops: Mapping[int, Mapping[str, str]], *, actor: Actor) -> list[int]:
    """Stop tokens as `tokens.services.stop_tokens` does, and return their ids; their waiting jobs stay."""
    stopped = tokens.stop_tokens(stops, actor=actor)
    _wake_queues(stopped)
    return stopped


@transaction.atomic
def free_tokens(ids: Iterable[int], *, actor: Actor) -> list[int]:
    """End the stop of tokens, and return their ids; their waiting jobs may start."""
    freed = tokens.free_tokens(ids, actor=actor)
    _wake_queues(freed)
    return freed


def _wake_queues(token_ids: Collection[int]) -> None:
    waiting = Job.objects.filter(WAITING, token__in=token_ids) if token_ids else Job.objects.none()
    for group_id in waiting.order_by().values_list("group_id", flat=True).distinct():
        queue_changed.send(Job, group_id=group_id)
