"""What a worker does for a bulk action. docs/adr/0009 has the crash points and why each item is done at most once."""

import json
import time
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any

import structlog
from django.apps import apps
from django.contrib import admin
from django.db import InterfaceError, OperationalError, transaction
from django.http import QueryDict
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from moreh_cloud.bulk.choices import IMPORT, TRY_IMPORT, ItemState, Why
from moreh_cloud.bulk.errors import LeaseLost, Unexpected
from moreh_cloud.bulk.models import BulkAction, BulkItem
from moreh_cloud.bulk.queries import waiting_items
from moreh_cloud.bulk.services import (
    Claim,
    Outcome,
    claim_bulk,
    end_bulk,
    release_bulk,
    settle_item,
    stop_bulk,
    take_item,
)
from moreh_cloud.events.actor import SYSTEM, Actor
from moreh_cloud.lib.errors import DomainError, InvalidParameter
from moreh_cloud.lib.said import SOURCE, LeftOut, kept, kept_refusal

TURN_S = 1.0  # then the worker's thread is given back, and the rest is rung for
BATCH = 100  # items read at a time
GONE = kept(_("It is not there any more."))
Act = Callable[[Any], object]

log = structlog.get_logger(__name__)
_loading = Lock()


def carry_on(bulk_id: int) -> bool:
    """Carry out items of a bulk action for a second, if nobody else is at it; True when something is left."""
    claim = claim_bulk(bulk_id)
    if claim is None:
        return False
    bulk = BulkAction.objects.select_related("operator").get(pk=bulk_id)
    model, act = apps.get_model(bulk.noun), _act(bulk)
    why = Why.NO_VERB if act is None else "" if _may(bulk) else Why.NO_RIGHT
    if act is None or why:
        stop_bulk(bulk, actor=SYSTEM, why=Why(why))
        return False
    try:
        with translation.override(SOURCE):  # what is kept is said again in the language of each reader
            return _carry_out(claim, model, act, dry=bulk.verb == TRY_IMPORT)
    except LeaseLost:
        return False


def _carry_out(claim: Claim, model: Any, act: Act, *, dry: bool) -> bool:
    until = time.monotonic() + TURN_S
    while items := waiting_items(claim.bulk_id, BATCH):
        for item in items:
            if time.monotonic() > until:
                return release_bulk(claim)
            _settle(claim, item, partial(_outcome, model=model, act=act, dry=dry))
    end_bulk(claim)
    return False


def _settle(claim: Claim, item: BulkItem, outcome: Callable[[BulkItem], Outcome]) -> None:
    """Do one item: its act, its state and the counts are one transaction, all there or none of it."""
    try:
        with transaction.atomic():
            take_item(item)
            settle_item(claim, item, outcome(item))
    except (DomainError, OperationalError, InterfaceError):
        raise  # no fault of the item: the lease is lost, or the database
    except Exception:
        log.exception("bulk_item_failed", bulk=claim.bulk_id, item=item.pk)
        with transaction.atomic():
            take_item(item)
            settle_item(claim, item, Outcome(ItemState.FAILED, kept_refusal(Unexpected())))


def _outcome(item: BulkItem, *, model: Any, act: Act, dry: bool) -> Outcome:
    """Do to a row, or with a line of a file, what is to be done; a dry run takes it back."""
    about = json.loads(item.payload) if item.payload else model._default_manager.filter(pk=item.object_pk).first()
    if about is None:
        return Outcome(ItemState.SKIPPED, GONE)
    try:
        with transaction.atomic():
            said: Any = act(about)
            if dry:
                transaction.set_rollback(True)
    except DomainError as refusal:
        return Outcome(ItemState.FAILED, kept_refusal(refusal))
    state = ItemState.SKIPPED if isinstance(said, LeftOut) else ItemState.DONE
    return Outcome(state, kept(said) if said else {})


def _act(bulk: BulkAction) -> Act | None:
    """Make what is done to a row of the verb, the form and the actor that are stored; None for an unknown verb."""
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
        return step.verb(page, actor, row, form.cleaned_data)

    return act


def _actor(bulk: BulkAction) -> Actor:
    return Actor(bulk.actor, bulk.protocol, bulk.ip_address, bulk=bulk.pk)


def _page_of(noun: str) -> Any:
    """Find the admin of a noun. Workers know no door until the first bulk action, which loads them all."""
    with _loading:  # an import that two threads begin at once would register twice
        admin.autodiscover()
    return admin.site._registry.get(apps.get_model(noun))


def _may(bulk: BulkAction) -> bool:
    """Judge again, because a right can be taken away while the action waits."""
    app, _dot, model = bulk.noun.lower().partition(".")
    operator = bulk.operator
    return operator is not None and operator.may_enter and operator.has_perm(f"{app}.change_{model}")
