"""Bulk actions that are begun, and how far they are."""

from datetime import timedelta
from typing import Any

from accounts.choices import Role
from accounts.models import Operator
from backends.models import Backend
from bulk.models import BulkAction
from bulk.services import BulkRequest, begin_bulk
from core.clock import db_now
from events.actor import Actor
from events.models import Event
from tests import make


def bulk_of(
    rows: list[Any], verb: str = "shut_down", *, noun: str = "backends.Backend", **form: list[str]
) -> BulkAction:
    operator = make.operator(Role.GENERAL)
    order = BulkRequest(noun, verb, [(row.pk, str(row)) for row in rows], form)
    return begin_bulk(order, operator=operator, actor=Actor(operator.username, "admin", "10.9.9.9"))


def nodes(number: int = 4) -> list[Backend]:
    return [make.backend(0) for _ in range(number)]


def states(bulk: BulkAction) -> list[str]:
    return list(bulk.items.order_by("id").values_list("state", flat=True))


def counts(bulk: BulkAction) -> tuple[str, int, int, int]:
    bulk.refresh_from_db()
    return bulk.state, bulk.done, bulk.failed, bulk.skipped


def who_began(bulk: BulkAction) -> Operator:
    assert bulk.operator is not None
    return bulk.operator


def acts(bulk: BulkAction) -> list[str]:
    """Return what was done, one line per act: each once."""
    events = Event.objects.filter(action="SET_BACKEND_STATUS", request__bulk=bulk.pk)
    return list(events.order_by("id").values_list("subject", flat=True))


def let_the_lease_end(bulk: BulkAction) -> None:
    BulkAction.objects.filter(pk=bulk.pk).update(lease_until=db_now() - timedelta(milliseconds=1))
