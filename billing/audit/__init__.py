"""Audit of money: statements bill what was used and add up, and nobody changed what was issued or set.

Everything is named by its table, the number of its row and its column. Why the events are the witness: ADR 16.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from billing.audit.issued import unlike_issued
from billing.audit.sums import wrong_sums
from billing.audit.terms import ACTIONS, unlike_set
from billing.audit.usage import unlike_used
from billing.choices import StatementStatus
from billing.models import Budget, Price, Statement, StatementLine
from billing.queries.documents import CORRECTED, ISSUED
from core.frozen import unfrozen
from core.readable import unreadable, unreadable_in
from events.models import Event
from usage.invariants import orphans

WITNESSES = (ISSUED, CORRECTED, *ACTIONS["PRICE"], *ACTIONS["BUDGET"])  # events that rows are compared with
WITNESSED = ("subject", "request")
BILLED = (Statement, StatementLine, Price, Budget)


@dataclass(slots=True)
class BillingAudit:
    """How many statements and corrections were audited, and every difference that was found."""

    statements: int = 0
    device_ms: int = 0
    differences: list[str] = field(default_factory=list)


def audit_billing() -> BillingAudit:
    """Compare issued statements with their lines, events and usage, and prices and budgets with their events."""
    audit = BillingAudit(Statement.objects.filter(status=StatementStatus.ISSUED).count())
    audit.differences = [f"{table}: its trigger {trigger} is missing or was changed" for table, trigger in unfrozen()]
    if wrong := [*_unreadable()]:  # the rest would fail at them
        audit.differences += wrong
        return audit
    audit.differences += [*orphans(BILLED), *unlike_issued(), *wrong_sums(), *unlike_set()]
    audit.device_ms, used = unlike_used()
    audit.differences += used
    return audit


def _unreadable() -> Iterator[str]:
    """Return a line for each value of billing, and of its events, that cannot be read."""
    yield from unreadable(BILLED)
    for name in WITNESSED:
        yield from unreadable_in(Event, Event._meta.get_field(name), WITNESSES)
