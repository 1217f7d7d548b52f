"""Doorbells: wake a worker or a waiting stream after commit. A lost one costs a beat, never a job."""

from collections.abc import Iterable
from functools import partial

import redis
import structlog
from celery import Task
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)
CHANNEL = "moreh:news"
UNHEARD_MS = 2000  # a bell that nobody hears may be rung again after this


def ring_on_commit(task: Task[..., object], **ids: int) -> None:
    """Wake a worker once this transaction is committed."""
    transaction.on_commit(partial(ring, task, **ids))


def ring_once_on_commit(task: Task[..., object], **ids: int) -> None:
    """Wake a worker after commit unless the same bell has been rung and not been heard yet: many hints, one look."""
    transaction.on_commit(partial(ring_once, task, **ids))


def ring_once(task: Task[..., object], **ids: int) -> None:
    """Wake a worker now, unless the same bell has been rung and not been heard yet."""
    try:
        if not _redis().set(_bell(task, ids), 1, nx=True, px=UNHEARD_MS):
            return
    except redis.RedisError as error:
        log.warning("bell_unheard", task=task.name, error=type(error).__name__)
        return
    ring(task, **ids)


def hear(task: Task[..., object], **ids: int) -> None:
    """Say, before looking, that a bell was heard: whoever rings from now on wants another look."""
    try:
        _redis().delete(_bell(task, ids))
    except redis.RedisError as error:
        log.warning("bell_unheard", task=task.name, error=type(error).__name__)


def _bell(task: Task[..., object], ids: dict[str, int]) -> str:
    return ":".join(["moreh:bell", task.name, *map(str, ids.values())])


def ring(task: Task[..., object], **ids: int) -> None:
    """Wake a worker now; without a broker the next beat will find the work in its row."""
    try:
        task.apply_async(kwargs=ids, retry=False)
    except (OperationalError, redis.RedisError) as error:
        log.warning("bell_unheard", task=task.name, error=type(error).__name__)


def tell_on_commit(topic: str, ids: Iterable[int]) -> None:
    """Tell the streams that watch these rows to look again once this transaction is committed."""
    words = " ".join([topic, *map(str, ids)])
    transaction.on_commit(partial(_tell, words))


def _tell(words: str) -> None:
    try:
        _redis().publish(CHANNEL, words)
    except redis.RedisError as error:
        log.warning("news_unheard", error=type(error).__name__)


_client: redis.Redis | None = None


def _redis() -> redis.Redis:
    global _client  # noqa: PLW0603 - one connection pool per process
    if _client is None:
        _client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    return _client
