import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet

from moreh_cloud.accounts.models import Operator
from moreh_cloud.bulk.choices import IMPORT, TRY_IMPORT, UNDER_WAY, BulkState, ItemState, Why
from moreh_cloud.bulk.errors import LeaseLost, NotReady, Over, SentBefore
from moreh_cloud.bulk.models import BulkAction, BulkItem, SentForm
from moreh_cloud.bulk.signals import bulk_begun
from moreh_cloud.events.actor import SYSTEM, Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.bulk import insert_rows, is_copied
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.said import Kept

LEASE = timedelta(seconds=8)  # a worker gives its turn back after a second; one that is dead is replaced after this
KEPT_FOR = timedelta(days=90)
SENT_AGAIN_WITHIN = timedelta(days=1)
PAYLOADS_KEPT_FOR = timedelta(hours=1)  # of a dry run that nobody carries out
COLUMNS = ("bulk_id", "object_pk", "name", "state", "message", "payload")


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody agreed to: the verb, what its form said, and the rows as (number, name), or lines with payloads."""

    noun: str
    verb: str
    rows: Sequence[tuple[Any, str]]
    data: Mapping[str, Sequence[str]] = field(default_factory=dict)
    payloads: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's right to a bulk action: its number and the attempt under which alone it may write."""

    bulk_id: int
    attempt: int

    def rows(self) -> QuerySet[BulkAction]:
        return BulkAction.objects.filter(pk=self.bulk_id, attempt=self.attempt, state=BulkState.RUNNING)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an item."""

    state: ItemState
    message: Kept = field(default_factory=dict)


@transaction.atomic
def begin_bulk(order: Order, *, operator: Operator, actor: Actor, key: str = "") -> BulkAction:
    """Store a bulk action with all its items, and have a worker begin. Raises SentBefore for a form sent twice."""
    sent = note_sent(operator, key) if key else None
    bulk = BulkAction.objects.create(
        noun=order.noun,
        verb=order.verb,
        data=dict(order.data),
        operator=operator,
        actor=actor.name,
        protocol=actor.protocol,
        ip_address=actor.ip_address,
        total=len(order.rows),
        requested_at=db_now(),
    )
    if sent:
        SentForm.objects.filter(pk=sent.pk).update(bulk=bulk)
    payloads = order.payloads or [""] * len(order.rows)
    rows = zip(order.rows, payloads, strict=True)
    insert_rows(
        BulkItem,
        COLUMNS,
        ((bulk.pk, str(pk), name[:255], "WAITING", {}, _stored(payload)) for (pk, name), payload in rows),
    )
    record(
        "BEGIN_BULK", actor=actor, subject=f"bulk/{bulk.pk}", noun=order.noun, verb=order.verb, number=len(order.rows)
    )
    bulk_begun.send(BulkAction, bulk_id=bulk.pk)
    return bulk


def _stored(payload: str) -> Any:
    """Encrypt what COPY would write as it is; the ORM does it by itself."""
    return BulkItem._meta.get_field("payload").get_prep_value(payload) if is_copied() else payload


@transaction.atomic
def begin_import(dry_run: BulkAction, *, operator: Operator, actor: Actor) -> BulkAction:
    """Carry out what a dry run has shown to be new or changed, with the fates as they were shown; once.

    Raises SentBefore with what the first call began, and NotReady.
    """
    first = BulkAction.objects.filter(source=dry_run).first()
    if first:
        raise SentBefore(first.pk)
    found = BulkItem.objects.filter(bulk=dry_run, state=ItemState.DONE).exclude(payload="").order_by("id")
    ready = BulkAction.objects.select_for_update().filter(pk=dry_run.pk, verb=TRY_IMPORT, state=BulkState.ENDED)
    items = list(found) if ready.exists() else []
    if not items:
        raise NotReady(id=dry_run.pk)
    payloads = [json.dumps({**json.loads(item.payload), "fate": item.message}) for item in items]
    order = Order(dry_run.noun, IMPORT, [(item.object_pk, item.name) for item in items], payloads=payloads)
    bulk = begin_bulk(order, operator=operator, actor=actor)
    BulkAction.objects.filter(pk=bulk.pk).update(source=dry_run)
    BulkItem.objects.filter(bulk=dry_run).update(payload="")
    return bulk


def forget_payloads() -> None:
    """Delete the lines of files of imports that are over, and of dry runs of an hour ago."""
    now = db_now()
    over = BulkAction.objects.exclude(state__in=UNDER_WAY)
    done = over.filter(Q(verb=IMPORT) | Q(verb=TRY_IMPORT, ended_at__lte=now - PAYLOADS_KEPT_FOR))
    BulkItem.objects.filter(bulk__in=done.values("pk")).exclude(payload="").update(payload="")


def note_sent(operator: Operator, key: str) -> SentForm:
    """Remember that a form was sent; whoever sends it at the same time waits for the first. Raises SentBefore."""
    try:
        with transaction.atomic():
            return SentForm.objects.create(operator=operator, key=key[:64], sent_at=db_now())
    except IntegrityError:
        require_not_sent(operator, key)
        raise


def require_not_sent(operator: Operator, key: str) -> None:
    """Raise SentBefore for a form that was sent before."""
    first = SentForm.objects.filter(operator=operator, key=key[:64]).first()
    if first:
        raise SentBefore(first.bulk_id)


@transaction.atomic
def claim_bulk(bulk_id: int) -> Claim | None:
    """Take a bulk action that has something left and no worker at it; None when there is nothing to do."""
    now = db_now()
    bulk = BulkAction.objects.select_for_update().filter(pk=bulk_id, state__in=UNDER_WAY).first()
    if bulk is None or (bulk.lease_until and bulk.lease_until > now):
        return None
    claim = Claim(bulk_id, bulk.attempt + 1)
    BulkAction.objects.filter(pk=bulk_id).update(
        attempt=claim.attempt, state=BulkState.RUNNING, lease_until=now + LEASE, started_at=bulk.started_at or now
    )
    return claim


def take_item(item: BulkItem) -> None:
    """Take an item in the transaction of its act, before the act. Raises LeaseLost when another worker has done it."""
    if not BulkItem.objects.filter(pk=item.pk, state=ItemState.WAITING).update(state=ItemState.DONE):
        raise LeaseLost(item=item.pk)


def settle_item(claim: Claim, item: BulkItem, outcome: Outcome) -> None:
    """Write down what became of an item, in the transaction of its act.

    Raises LeaseLost when the bulk action was stopped or taken over: then the act is rolled back as well.
    """
    if outcome != Outcome(ItemState.DONE):
        BulkItem.objects.filter(pk=item.pk).update(state=outcome.state, message=outcome.message)
    counter = {ItemState.DONE: "done", ItemState.FAILED: "failed", ItemState.SKIPPED: "skipped"}[outcome.state]
    if not claim.rows().update(**{counter: F(counter) + 1}):
        raise LeaseLost(bulk=claim.bulk_id)


def release_bulk(claim: Claim) -> bool:
    """Give a bulk action back with something left to do; False when it is not ours any more."""
    return bool(claim.rows().update(lease_until=None))


@transaction.atomic
def end_bulk(claim: Claim) -> None:
    """End a bulk action whose items are all settled; only its current attempt can."""
    if claim.rows().update(state=BulkState.ENDED, ended_at=db_now(), lease_until=None):
        bulk = _record_end("END_BULK", claim.bulk_id, actor=SYSTEM)
        if bulk.verb == IMPORT:
            bulk.items.update(payload="")


@transaction.atomic
def stop_bulk(bulk: BulkAction, *, actor: Actor, why: Why = Why.ASKED) -> None:
    """Stop a bulk action: what is done stays done, the rest is not done. Raises Over when there is no rest."""
    ended = {"state": BulkState.STOPPED, "why": why, "stopped_by": actor.name, "ended_at": db_now()}
    if not BulkAction.objects.filter(pk=bulk.pk, state__in=UNDER_WAY).update(**ended, lease_until=None):
        raise Over(id=bulk.pk)
    _record_end("STOP_BULK", bulk.pk, actor=actor, why=why)


def _record_end(action: str, bulk_id: int, *, actor: Actor, **more: Any) -> BulkAction:
    bulk = BulkAction.objects.get(pk=bulk_id)
    numbers: dict[str, Any] = {"done": bulk.done, "failed": bulk.failed, "skipped": bulk.skipped, "left": bulk.left}
    record(action, actor=actor, subject=f"bulk/{bulk_id}", **numbers, **more)
    return bulk


def forget_old() -> None:
    """Delete bulk actions that ended 90 days ago, and what is remembered of forms for a day; events stay."""
    now = db_now()
    SentForm.objects.filter(sent_at__lte=now - SENT_AGAIN_WITHIN).delete()
    BulkAction.objects.filter(~Q(state__in=UNDER_WAY), ended_at__lte=now - KEPT_FOR).delete()
