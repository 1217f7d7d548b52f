"""One thing that can never be: how it is found, and what is done about it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from moreh_cloud.alerts.choices import Category
from moreh_cloud.alerts.services import raise_alert
from moreh_cloud.events.actor import SYSTEM
from moreh_cloud.events.services import record


class Finding(NamedTuple):
    """What was wrong with which thing."""

    subject: str
    wrong: str
    repaired: bool = True


class NotRepaired(Exception):
    """It is wrong, and nothing can be done about it now; the text says what."""


class Look(NamedTuple):
    """`rows` gives the rows that are wrong, `repair` mends one (it is locked) and says what was wrong."""

    rows: Callable[[], QuerySet[Any]]
    repair: Callable[[Any], str]


def look_for(look: Look) -> list[Finding]:
    """Repair every row that is wrong, each in a transaction of its own."""
    suspects = list(look.rows().order_by("pk").values_list("pk", flat=True))
    return [finding for pk in suspects if (finding := _mend(look, pk))]


@transaction.atomic
def _mend(look: Look, pk: object) -> Finding | None:
    """Look again under lock, so that work in flight is not taken for a fault."""
    rows = look.rows()
    list(rows.model._base_manager.select_for_update().filter(pk=pk).values_list("pk"))
    row = rows.filter(pk=pk).first()
    if row is None:
        return None
    subject = f"{row._meta.model_name}/{row.pk}"
    try:
        wrong = look.repair(row)
    except NotRepaired as problem:
        raise_alert(Category.INCONSISTENCY, subject=subject, content=f"{subject}: {problem}; not repaired.")
        return Finding(subject, str(problem), repaired=False)
    record("REPAIR", actor=SYSTEM, subject=subject, wrong=wrong)
    raise_alert(Category.INCONSISTENCY, subject=subject, content=f"{subject}: {wrong}; repaired.")
    return Finding(subject, wrong)
