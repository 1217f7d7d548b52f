"""Wake-ups: Celery messages to workers and pub/sub messages to streams, sent after commit.

A wake-up carries only ids. When it is lost, the next beat finds the row.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from time import monotonic

import redis
import structlog
from celery import Task
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)
CHANNEL = "moreh:news"
PENDING_MS = 2000  # a wake-up that no worker accepted is sent again after this
CarryOut = Callable[[Task[..., object], Mapping[str, int]], bool]
_carry_out: CarryOut | None = None
_well = True
SLOW, PAUSE = 0.5, 2.0  # seconds: after a call that waited SLOW in vain, the broker is not called for PAUSE
_away_until = 0.0


def carry_out_with(carry_out: CarryOut | None) -> None:
    """Set the function that carries out, in this process, what the broker does not take; None: nobody does."""
    global _carry_out  # noqa: PLW0603 - one in a process
    _carry_out = carry_out


def enqueue_on_commit(task: Task[..., object], **ids: int) -> None:
    """Send a task to a worker once this transaction is committed."""
    transaction.on_commit(partial(enqueue, task, **ids))


def enqueue_once_on_commit(task: Task[..., object], **ids: int) -> None:
    """Send a task after commit, unless the same one is already pending: many changes need one run."""
    transaction.on_commit(partial(enqueue_once, task, **ids))


def enqueue_once(task: Task[..., object], **ids: int) -> None:
    """Send a task now, unless the same one is already pending."""
    try:
        with _calling(writes=True):
            new = _redis().set(_pending_key(task, ids), 1, nx=True, px=PENDING_MS)
    except redis.RedisError:
        _carry_out_here(task, ids)
        return
    if new:
        enqueue(task, **ids)


def accept_wakeup(task: Task[..., object], **ids: int) -> None:
    """Mark a wake-up as accepted before the work begins: a change from now on needs another run."""
    with suppress(redis.RedisError), _calling():
        _redis().delete(_pending_key(task, ids))


def _pending_key(task: Task[..., object], ids: dict[str, int]) -> str:
    return ":".join(["moreh:bell", task.name, *map(str, ids.values())])


def enqueue(task: Task[..., object], **ids: int) -> None:
    """Send a task now; without a broker it is carried out here, or the next beat finds its row."""
    try:
        with _calling(writes=True):
            task.apply_async(kwargs=ids, retry=False)
    except (OperationalError, redis.RedisError):
        _carry_out_here(task, ids)


def _carry_out_here(task: Task[..., object], ids: Mapping[str, int]) -> None:
    if _carry_out:
        _carry_out(task, ids)


def publish_on_commit(topic: str, ids: Iterable[int]) -> None:
    """Publish to the streams that watch these rows, once this transaction is committed, to read them again."""
    words = " ".join([topic, *map(str, ids)])
    transaction.on_commit(partial(_publish, words))


def _publish(words: str) -> None:
    with suppress(redis.RedisError), _calling():
        _redis().publish(CHANNEL, words)


@contextmanager
def _calling(*, writes: bool = False) -> Iterator[None]:
    """Call the broker; log once that it is lost and once that it is found: there may be 100 wake-ups a second.

    It is found when it takes a command that `writes`: one that is out of memory or read-only answers all others.
    Raises ConnectionError at once for PAUSE seconds after a call has waited in vain.
    """
    global _well, _away_until  # noqa: PLW0603 - one broker
    began = monotonic()
    if began < _away_until:
        raise redis.ConnectionError("The broker did not answer a moment ago.")
    try:
        yield
    except (OperationalError, redis.RedisError) as error:
        if _well:
            log.warning("broker_lost", error=type(error).__name__)
        _well = False
        _away_until = monotonic() + PAUSE if monotonic() - began > SLOW else 0.0
        raise
    if writes and not _well:
        log.warning("broker_found")
        _well = True


_client: redis.Redis | None = None


def _redis() -> redis.Redis:
    global _client  # noqa: PLW0603 - one connection pool per process
    if _client is None:
        _client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    return _client
