"""Work on bulk actions. ADR 9 has the crash points and why each item is carried out at most once."""

import json
import time
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any

import structlog
from django.apps import apps
from django.contrib import admin
from django.db import transaction
from django.http import QueryDict
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from bulk.choices import IMPORT, TRY_IMPORT, ItemState, StopReason
from bulk.errors import DatabaseRefused, UnexpectedError
from bulk.models import BulkAction, BulkItem
from bulk.queries import waiting_items
from bulk.services import (
    BulkLease,
    ItemResult,
    count_attempt,
    end_bulk,
    lease_bulk,
    settle_item,
    stop_bulk,
    take_item,
)
from core.errors import DomainError, InvalidParameter
from core.lease import LeaseLost
from core.outages import DATABASE_ERRORS, is_outage
from core.stored_text import SOURCE, Skipped, action_result, refusal_json, to_json
from events.actor import SYSTEM, Actor

RUN_S = 1.0  # then the worker's thread is given back, and the rest is rung for
ATTEMPTS = 5  # of an item that the database refuses, one lease apart
BATCH = 100  # items read at a time
GONE = to_json(_("It is not there any more."))
Act = Callable[[Any], object]

log = structlog.get_logger(__name__)
_loading = Lock()


def carry_on(bulk_id: int) -> bool:
    """Carry out items of a bulk action for a second, if nobody else is at it; True when something is left."""
    lease = lease_bulk(bulk_id)
    if lease is None:
        return False
    bulk = BulkAction.objects.select_related("operator").get(pk=bulk_id)
    model, act = apps.get_model(bulk.noun), _act(bulk)
    why = StopReason.NO_VERB if act is None else "" if _may(bulk) else StopReason.NO_RIGHT
    if act is None or why:
        stop_bulk(bulk, actor=SYSTEM, why=StopReason(why))
        return False
    try:
        with translation.override(SOURCE):  # stored texts are rendered in the language of each reader
            return _carry_out(lease, model, act, dry=bulk.verb == TRY_IMPORT)
    except LeaseLost:
        return False


def _carry_out(lease: BulkLease, model: Any, act: Act, *, dry: bool) -> bool:
    until = time.monotonic() + RUN_S
    while items := waiting_items(lease.pk, BATCH):
        for item in items:
            if time.monotonic() > until:
                return lease.release()
            _settle(lease, item, partial(_outcome, model=model, act=act, dry=dry))
    end_bulk(lease)
    return False


def _settle(lease: BulkLease, item: BulkItem, action_result: Callable[[BulkItem], ItemResult]) -> None:
    """Do one item: its act, its state and the counts are one transaction, all there or none of it."""
    try:
        with transaction.atomic():
            take_item(item)
            settle_item(lease, item, action_result(item))
    except Exception as error:
        if isinstance(error, DATABASE_ERRORS) and is_outage(error):
            count_attempt(item)  # raises as well where the database is away: that is no fault of the item
        if isinstance(error, DomainError) or is_outage(error):
            raise  # the lease is lost, or the database or the broker cannot serve it now
        log.exception("bulk_item_failed", bulk=lease.pk, item=item.pk)
        with transaction.atomic():
            take_item(item)
            settle_item(lease, item, ItemResult(ItemState.FAILED, refusal_json(UnexpectedError())))


def _outcome(item: BulkItem, *, model: Any, act: Act, dry: bool) -> ItemResult:
    """Do to a row, or with a line of a file, what is to be done; a dry run takes it back.

    What the database has refused too often fails without being tried again, so that the rest goes on.
    """
    if item.attempts >= ATTEMPTS:
        return ItemResult(ItemState.FAILED, refusal_json(DatabaseRefused(attempts=item.attempts)))
    try:
        about = _about(item, model)
        if about is None:
            return ItemResult(ItemState.SKIPPED, GONE)
        with transaction.atomic():
            said: Any = action_result(act(about))
            if dry:
                transaction.set_rollback(True)
    except DomainError as refusal:
        return ItemResult(ItemState.FAILED, refusal_json(refusal))
    state = ItemState.SKIPPED if isinstance(said, Skipped) else ItemState.DONE
    return ItemResult(state, to_json(said) if said else {})


def _about(item: BulkItem, model: Any) -> Any:
    """Return the line of a file, or the row, that an item is about. Raises SecretUnreadable."""
    return json.loads(str(item.payload)) if item.payload else model._default_manager.filter(pk=item.object_pk).first()


def _act(bulk: BulkAction) -> Act | None:
    """Return the function that carries out the stored verb, form and actor for a row; None for an unknown verb."""
    page = _page_of(bulk.noun)
    if bulk.verb in (TRY_IMPORT, IMPORT):
        return partial(page.importer.carry_out, _actor(bulk)) if page and page.importer else None
    step = getattr(getattr(type(page), bulk.verb, None), "step", None)
    if step is None:
        return None
    actor = _actor(bulk)
    posted = QueryDict(mutable=True)
    for name, values in bulk.data.items():
        posted.setlist(name, values)

    def act(row: Any) -> object:
        form = step.form(posted)
        if not form.is_valid():  # what the form names has gone since
            gone: dict[str, Any] = {name: list(errors) for name, errors in form.errors.items()}
            raise InvalidParameter(**gone)
        return step.act(page, actor, row, form.cleaned_data)

    return act


def _actor(bulk: BulkAction) -> Actor:
    return Actor(bulk.actor, bulk.protocol, bulk.ip_address, bulk=bulk.pk)


def _page_of(noun: str) -> Any:
    """Return the admin of a noun. Workers load the admins with their first bulk action."""
    with _loading:  # an import that two threads begin at once would register twice
        admin.autodiscover()
    return admin.site._registry.get(apps.get_model(noun))


def _may(bulk: BulkAction) -> bool:
    """Whether the operator still may do it: a right can be taken away while the action waits."""
    app, _dot, model = bulk.noun.lower().partition(".")
    operator = bulk.operator
    return operator is not None and operator.may_enter and operator.has_perm(f"{app}.change_{model}")
