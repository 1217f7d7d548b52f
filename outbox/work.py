"""What workers carry out: sending what channels are to get."""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from time import monotonic

from django.conf import settings

from core.clock import db_now
from core.lease import LeaseLost
from outbox.choices import AttemptResult
from outbox.models import OutgoingMessage
from outbox.queries import due_channels
from outbox.sending import Outgoing, Sender, SendOutcome
from outbox.services.outcomes import Sent
from outbox.services.sending import ChannelLease, lease_channel, store_outcomes, take_messages

RUN_S = 2.0  # then the worker's thread is given back, and the rest is enqueued
PROLONG_S = 3.0
NOT_RENDERED = SendOutcome(AttemptResult.NOT_RENDERED)


def send_channel(channel_id: int) -> bool:
    """Send what a channel is to get, unless a worker does; return whether something is left to send now."""
    lease = lease_channel(channel_id)
    if lease is None:
        return False
    sender = Sender()
    try:
        with ThreadPoolExecutor(settings.MOREH_OUTBOX_AT_ONCE, thread_name_prefix="outbox") as threads:
            _send_all(lease, sender, threads)
    except LeaseLost:
        return False
    finally:
        sender.close()
    lease.release()
    return channel_id in due_channels(db_now(), channel_id)


def _send_all(lease: ChannelLease, sender: Sender, threads: ThreadPoolExecutor) -> None:
    until = monotonic() + RUN_S
    while monotonic() < until and (messages := take_messages(lease)):
        store_outcomes(lease, _sent(lease, sender, threads, messages))


def _sent(
    lease: ChannelLease,
    sender: Sender,
    threads: ThreadPoolExecutor,
    messages: Sequence[tuple[OutgoingMessage, Outgoing]],
) -> list[Sent]:
    """Send messages, several at once, and return what came of them; the lease is prolonged meanwhile.

    Once the channel fails, what was not begun is left for later.
    """
    begun = {threads.submit(_outcome, sender, message, outgoing): message for message, outgoing in messages}
    under_way, until, fails = set(begun), monotonic() + PROLONG_S, False
    while under_way:
        done, under_way = wait(under_way, max(0, until - monotonic()), FIRST_COMPLETED)
        fails = fails or any(not future.cancelled() and future.result().of_channel for future in done)
        under_way = {future for future in under_way if not (fails and future.cancel())}
        if monotonic() >= until:
            lease.prolong()
            until = monotonic() + PROLONG_S
    return [Sent(message, future.result()) for future, message in begun.items() if not future.cancelled()]


def _outcome(sender: Sender, message: OutgoingMessage, outgoing: Outgoing) -> SendOutcome:
    return sender.send(outgoing) if message.content else NOT_RENDERED
