import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from accounts.models import Operator
from bulk.choices import (
    BULK_TRANSITIONS,
    IMPORT,
    ITEM_TRANSITIONS,
    TRY_IMPORT,
    UNDER_WAY,
    BulkState,
    ItemState,
    StopReason,
)
from bulk.errors import AlreadyEnded, NotReady, SentBefore
from bulk.models import BulkAction, BulkItem, SentForm
from bulk.signals import bulk_begun
from core.bulk import insert_rows
from core.clock import db_now
from core.lease import Lease, LeaseLost, is_leased
from core.postgresql import is_postgresql
from core.stored_text import TextJson
from core.texts import cleaned, legible
from events.actor import SYSTEM, Actor
from events.services import record

LEASE = timedelta(seconds=8)  # a worker releases it after a second; one that is dead is replaced after this
RETENTION = timedelta(days=90)
SENT_AGAIN_WITHIN = timedelta(days=1)
PAYLOAD_RETENTION = timedelta(hours=1)  # of a dry run that nobody carries out
COLUMNS = ("bulk_id", "object_pk", "name", "state", "message", "payload")


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """A confirmed bulk action: the verb, the values of its form, and the rows as (id, name), or lines with payloads."""

    noun: str
    verb: str
    rows: Sequence[tuple[Any, str]]
    data: Mapping[str, Sequence[str]] = field(default_factory=dict)
    payloads: Sequence[str] = ()


class BulkLease(Lease):
    """A worker's right to a bulk action, until another takes it over or somebody stops the action."""

    model, counter, valid = BulkAction, "attempt", Q(state=BulkState.RUNNING)

    @staticmethod
    def duration() -> timedelta:
        return LEASE


@dataclass(frozen=True, slots=True)
class ItemResult:
    """Result of an item."""

    state: ItemState
    message: TextJson = field(default_factory=dict)


@transaction.atomic
def begin_bulk(order: BulkRequest, *, operator: Operator, actor: Actor, key: str = "") -> BulkAction:
    """Store a bulk action with all its items, and have a worker begin. Raises SentBefore for a form sent twice."""
    sent = record_sent_form(operator, key) if key else None
    bulk = BulkAction.objects.create(
        noun=order.noun,
        verb=order.verb,
        data={name: [legible(value) for value in values] for name, values in order.data.items()},
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
        ((bulk.pk, str(pk), cleaned(name, 255), "WAITING", {}, _stored(payload)) for (pk, name), payload in rows),
    )
    record(
        "BEGIN_BULK", actor=actor, subject=f"bulk/{bulk.pk}", noun=order.noun, verb=order.verb, number=len(order.rows)
    )
    bulk_begun.send(BulkAction, bulk_id=bulk.pk)
    return bulk


def _stored(payload: str) -> Any:
    """Encrypt what COPY would write as it is; the ORM does it by itself."""
    return BulkItem._meta.get_field("payload").get_prep_value(payload) if is_postgresql() else payload


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
    payloads = [json.dumps({**json.loads(str(item.payload)), "fate": item.message}) for item in items]
    order = BulkRequest(dry_run.noun, IMPORT, [(item.object_pk, item.name) for item in items], payloads=payloads)
    bulk = begin_bulk(order, operator=operator, actor=actor)
    BulkAction.objects.filter(pk=bulk.pk).update(source=dry_run)
    BulkItem.objects.filter(bulk=dry_run).update(payload="")
    return bulk


def forget_payloads() -> None:
    """Delete the lines of files of imports that are over, and of dry runs of an hour ago."""
    now = db_now()
    over = BulkAction.objects.exclude(state__in=UNDER_WAY)
    done = over.filter(Q(verb=IMPORT) | Q(verb=TRY_IMPORT, ended_at__lte=now - PAYLOAD_RETENTION))
    BulkItem.objects.filter(bulk__in=done.values("pk")).exclude(payload="").update(payload="")


def record_sent_form(operator: Operator, key: str) -> SentForm:
    """Record that a form was sent; a second one at the same time waits for the first. Raises SentBefore."""
    try:
        with transaction.atomic():
            return SentForm.objects.create(operator=operator, key=cleaned(key, 64), sent_at=db_now())
    except IntegrityError:
        require_not_sent(operator, key)
        raise


def require_not_sent(operator: Operator, key: str) -> None:
    """Raise SentBefore for a form that was sent before."""
    first = SentForm.objects.filter(operator=operator, key=cleaned(key, 64)).first()
    if first:
        raise SentBefore(first.bulk_id)


@transaction.atomic
def lease_bulk(bulk_id: int) -> BulkLease | None:
    """Take a bulk action that has something left and no worker at it; None when there is nothing to do."""
    now = db_now()
    bulk = BulkAction.objects.select_for_update().filter(pk=bulk_id, state__in=UNDER_WAY).first()
    if bulk is None or is_leased(bulk, now):
        return None
    may_run = Q(state__in=BULK_TRANSITIONS.into(BulkState.RUNNING))
    return BulkLease.take(bulk, now, may_run, state=BulkState.RUNNING, started_at=bulk.started_at or now)


def take_item(item: BulkItem) -> None:
    """Take an item in the transaction of its act, before the act. Raises LeaseLost when another worker has done it."""
    rows = BulkItem.objects.filter(pk=item.pk, state__in=ITEM_TRANSITIONS.before(ItemState.DONE))
    if not rows.update(state=ItemState.DONE):
        raise LeaseLost(item=item.pk)


def count_attempt(item: BulkItem) -> None:
    """Store that the database refused an item, in a transaction of its own, unless the item is settled by now."""
    rows = BulkItem.objects.filter(pk=item.pk, state__in=ITEM_TRANSITIONS.before(ItemState.DONE))
    rows.update(attempts=F("attempts") + 1)


def settle_item(lease: BulkLease, item: BulkItem, outcome: ItemResult) -> None:
    """Store the result of an item, in the transaction of its act.

    Raises LeaseLost when the bulk action was stopped or taken over: then the act is rolled back as well.
    """
    if outcome != ItemResult(ItemState.DONE):
        rows = BulkItem.objects.filter(pk=item.pk, state__in=ITEM_TRANSITIONS.into(outcome.state))
        rows.update(state=outcome.state, message=outcome.message)
    counter = {ItemState.DONE: "done", ItemState.FAILED: "failed", ItemState.SKIPPED: "skipped"}[outcome.state]
    if not lease.rows().update(**{counter: F(counter) + 1}):
        raise lease.lost()


@transaction.atomic
def end_bulk(lease: BulkLease) -> None:
    """End a bulk action whose items are all settled; only its current attempt can."""
    rows = lease.rows().filter(state__in=BULK_TRANSITIONS.before(BulkState.ENDED))
    if rows.update(state=BulkState.ENDED, ended_at=db_now(), lease_until=None):
        bulk = _record_end("END_BULK", lease.pk, actor=SYSTEM)
        if bulk.verb == IMPORT:
            bulk.items.update(payload="")


@transaction.atomic
def stop_bulk(bulk: BulkAction, *, actor: Actor, why: StopReason = StopReason.ASKED) -> None:
    """Stop a bulk action: what is done stays done, the rest is not done. Raises AlreadyEnded when there is no rest."""
    ended = {"state": BulkState.STOPPED, "why": why, "stopped_by": actor.name, "ended_at": db_now()}
    rows = BulkAction.objects.filter(pk=bulk.pk, state__in=BULK_TRANSITIONS.before(BulkState.STOPPED))
    if not rows.update(**ended, lease_until=None):
        raise AlreadyEnded(id=bulk.pk)
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
    BulkAction.objects.filter(~Q(state__in=UNDER_WAY), ended_at__lte=now - RETENTION).delete()
