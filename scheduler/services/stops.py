"""Tokens that may start no new job for now, and the queues that look different because of it."""

from collections.abc import Collection, Iterable, Mapping

from django.db import transaction

from moreh_cloud.events.actor import Actor
from scheduler.models import WAITING, Job
from scheduler.signals import queue_changed
from tokens import services as tokens


@transaction.atomic
def stop_tokens(stops: Mapping[int, Mapping[str, str]], *, actor: Actor) -> list[int]:
    """Let tokens start no new job, as `tokens.services.stop_tokens` says; their waiting jobs stay, and are told why."""
    stopped = tokens.stop_tokens(stops, actor=actor)
    _look_again(stopped)
    return stopped


@transaction.atomic
def free_tokens(ids: Iterable[int], *, actor: Actor) -> list[int]:
    """Let stopped tokens start jobs again, those that wait first."""
    freed = tokens.free_tokens(ids, actor=actor)
    _look_again(freed)
    return freed


def _look_again(token_ids: Collection[int]) -> None:
    waiting = Job.objects.filter(WAITING, token__in=token_ids) if token_ids else Job.objects.none()
    for group_id in waiting.order_by().values_list("group_id", flat=True).distinct():
        queue_changed.send(Job, group_id=group_id)
