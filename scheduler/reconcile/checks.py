"""A reconcile check: how one inconsistency is found and repaired."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from alerts.codes import Code
from alerts.services import raise_alert
from alerts.subjects import Subject
from alerts.subjects import node as node_subject
from backends.models import Order
from core.apart import each_apart
from core.measures import Counter
from events.actor import SYSTEM
from events.services import record

FOUND = Counter("moreh_inconsistencies_total", "Inconsistent rows that the reconciler has found.", ("kind",))


class Inconsistency(NamedTuple):
    """What was wrong with which subject, and whether it was repaired; `node`: of an order, which has no page itself."""

    subject: str
    wrong: str
    repaired: bool = True
    node: int | None = None

    @property
    def about(self) -> Subject:
        """Return what the alert is about: the row, or its node."""
        if self.node is not None:
            return node_subject(self.node)
        kind, _slash, number = self.subject.partition("/")
        return Subject(kind, int(number))


class NotRepaired(Exception):
    """An inconsistency that cannot be repaired now; the text says what is wrong."""


class Check(NamedTuple):
    """`rows` returns the wrong rows; `repair` repairs one, which is locked, and returns what was wrong."""

    rows: Callable[[], QuerySet[Any]]
    repair: Callable[[Any], str]


def run_check(check: Check) -> list[Inconsistency]:
    """Repair all wrong rows, each in a transaction of its own, and return what was wrong.

    A row whose repair raises an error is logged, and tried again the next time.
    """
    found: list[Inconsistency] = []

    rows = check.rows()
    kind = str(rows.model._meta.model_name)
    FOUND.add(kind, number=0)

    def repair(pk: object) -> None:
        if inconsistency := _repair(check, pk):
            found.append(inconsistency)
            FOUND.add(kind)

    suspects = list(rows.order_by("pk").values_list("pk", flat=True))
    each_apart(suspects, repair, "repair_failed", check=check.rows.__name__)
    return found


@transaction.atomic
def _repair(check: Check, pk: object) -> Inconsistency | None:
    """Repair a row if it is still wrong under lock; a transaction in flight is not an inconsistency."""
    rows = check.rows()
    list(rows.model._base_manager.select_for_update().filter(pk=pk).values_list("pk"))
    row = rows.filter(pk=pk).first()
    if row is None:
        return None
    subject = f"{row._meta.model_name}/{row.pk}"
    node = row.backend_id if isinstance(row, Order) else None
    try:
        wrong = check.repair(row)
    except NotRepaired as problem:
        return _alerted(Inconsistency(subject, str(problem), repaired=False, node=node))
    record("REPAIR", actor=SYSTEM, subject=subject, wrong=wrong)
    return _alerted(Inconsistency(subject, wrong, node=node))


def _alerted(found: Inconsistency) -> Inconsistency:
    code = Code.REPAIRED if found.repaired else Code.NOT_REPAIRED
    raise_alert(code, found.about, subject=found.subject, problem=found.wrong)
    return found
