"""Statements that cannot be written: each is left out and reported, and all others are written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils import translation

from alerts.choices import Category, Level
from alerts.codes import Code
from alerts.services import NewAlert, clear_alerts, raise_alerts
from alerts.subjects import customer
from billing.errors import AmountTooLarge
from billing.models.statements import MOST
from billing.services.writing import NewStatement, StatementRun, WrittenStatement
from core.errors import DomainError
from core.stored_text import SOURCE
from events.actor import Actor
from events.services import NewEvent, record_all
from tokens.models import Token

MOST_LINES = 32_767  # as a line's place is stored
MOST_MS = 2**63


@dataclass(frozen=True, slots=True)
class FailedStatement:
    """A token of which no statement could be created, and why."""

    token: int
    error: DomainError


def writable(new: Iterable[NewStatement]) -> tuple[list[NewStatement], list[FailedStatement]]:
    """Return the statements whose figures can be stored, and a failure for each other one."""
    good: list[NewStatement] = []
    failed: list[FailedStatement] = []
    for one in new:
        if _is_writable(one):
            good.append(one)
        else:
            failed.append(FailedStatement(one.token, AmountTooLarge(token=one.token)))
    return good, failed


def _is_writable(one: NewStatement) -> bool:
    lines = one.bill.values()
    ms = sum(abs(line.times.device_ms) for line in lines)
    return sum(abs(line.amount) for line in lines) < MOST and ms < MOST_MS and len(lines) <= MOST_LINES


def report_failed(
    run: StatementRun, failed: Sequence[FailedStatement], written: Iterable[WrittenStatement], *, actor: Actor
) -> None:
    """Record an event and raise an alert for each failure; close the alerts of those that were written this time."""
    month = f"{run.month:%Y-%m}"
    clear_alerts(Category.STATEMENT_FAILED, (customer(one.new.token) for one in written))
    with translation.override(SOURCE):
        sentences_by_token = {one.token: sentence for one, sentence in zip(failed, sentences(failed), strict=True)}
    names = _names(failed)
    raise_alerts(
        NewAlert(
            Code.STATEMENT_FAILED,
            customer(one.token),
            {
                "month": month,
                "customer": names[one.token],
                "subject": _subject(one.token),
                "reason": one.error.message,
            },
            Level.CRITICAL,
        )
        for one in failed
    )
    about = ((token, {"month": month, "reason": sentence}) for token, sentence in sentences_by_token.items())
    record_all((NewEvent("FAIL_STATEMENT", _subject(token), token, what) for token, what in about), actor=actor)


def _names(failed: Sequence[FailedStatement]) -> dict[int, str]:
    return dict(Token.objects.filter(pk__in=[one.token for one in failed]).values_list("pk", "description"))


def sentences(failed: Sequence[FailedStatement]) -> list[str]:
    """Return for each failure whose it is, and why."""
    names = _names(failed)
    return [f"{names[one.token]} ({_subject(one.token)}): {one.error}" for one in failed]


def _subject(token: int) -> str:
    return f"token/{token}"
