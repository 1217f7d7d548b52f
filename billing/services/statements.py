"""Statements are drafts until they are issued; then only corrections, issued at once, tell of what came late."""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from billing.choices import StatementStatus
from billing.errors import MonthNotClosed, NothingBilled, NotIssued, SettingsChanged, StatementFrozen
from billing.models import Statement
from billing.pricing import digits_of
from billing.queries.bills import Bill, billed, bills, differences, is_closed, month_span
from billing.services.failing import FailedStatement, report_failed, writable
from billing.services.writing import NewStatement, StatementRun, clear_drafts, freeze, write_drafts
from core.clock import db_now
from core.errors import NotFound
from events.actor import Actor
from events.services import record
from usage.rollups.lock import lock_rollups
from usage.rollups.measure import Tokens


class Made(NamedTuple):
    """Result of a run: how many statements were created, issued, or issued before, and which failed."""

    made: int
    issued: int
    left: int
    failed: tuple[FailedStatement, ...] = ()


class Corrected(NamedTuple):
    """Result of a run: how many corrections were issued, and which failed."""

    issued: int
    failed: tuple[FailedStatement, ...] = ()


@transaction.atomic
def make_statements(month: date, *, actor: Actor, tokens: Tokens = None, issue: bool = False) -> Made:
    """Create the drafts of a month again, of some tokens (ids) or of all that used something; `issue` issues them.

    What is issued stays. A token whose statement cannot be written fails alone, with an event and an alert. The number
    of queries does not depend on that of the tokens. Raises MonthNotClosed.
    """
    lock_rollups()  # nobody counts usage again, or makes statements, meanwhile
    run = _sheet(month)
    owed = bills(run.starts_at, run.ends_at, digits_of(run.currency), tokens)
    issued, drafts = clear_drafts(run.month, tokens)
    wanted = [NewStatement(token, bill, pk=drafts.get(token)) for token, bill in owed.items() if token not in issued]
    new, failed = writable(wanted)
    written = write_drafts(run, new)
    report_failed(run, failed, written, actor=actor)
    request: dict[str, Any] = {"month": f"{run.month:%Y-%m}", "statements": len(new), "issued": issue}
    request |= {} if tokens is None else {"tokens": [*tokens]}
    record("MAKE_STATEMENTS", actor=actor, **request)
    frozen = freeze(run, tokens, written, actor=actor) if issue else 0
    return Made(len(new), frozen, len(issued), tuple(failed))


def issue_statement(statement: Statement, *, actor: Actor) -> Statement:
    """Create a draft again and issue it, for good.

    Raises MonthNotClosed, StatementFrozen when it is issued, NothingBilled when nothing was used any more,
    AmountTooLarge.
    """
    return _make_again(statement, actor, issue=True)


def make_again(statement: Statement, *, actor: Actor) -> Statement:
    """Create a draft again from the usage and prices of now. Raises as `issue_statement` does."""
    return _make_again(statement, actor, issue=False)


@transaction.atomic
def _make_again(statement: Statement, actor: Actor, *, issue: bool) -> Statement:
    if not Statement.objects.filter(pk=statement.pk).exists():
        raise NotFound(id=statement.pk)
    made = make_statements(statement.month, actor=actor, tokens=[statement.token_id], issue=issue)
    if made.left:
        raise StatementFrozen(id=statement.pk)
    for failure in made.failed:
        raise failure.error
    if not made.made:
        raise NothingBilled(id=statement.pk)
    return Statement.objects.get(pk=statement.pk)


@transaction.atomic
def correct_statements(month: date, *, actor: Actor, tokens: Tokens = None) -> Corrected:
    """Issue a correction of each issued statement, of some tokens (ids) or of all, that is not what is owed now.

    A token whose correction cannot be written fails alone, with an event and an alert. Raises MonthNotClosed, and
    SettingsChanged when all of them were issued in another currency or time zone.
    """
    lock_rollups()
    run = _sheet(month)
    other = _of_other_settings(run, tokens)
    before = {token: bill for token, bill in billed(run.month, tokens).items() if token not in other}
    if other and not before:
        raise next(iter(other.values()))
    owed = bills(run.starts_at, run.ends_at, digits_of(run.currency), tokens)
    new, failed = writable(_corrections(run, tokens, dict(differences(owed, before))))
    failed += [FailedStatement(token, error) for token, error in other.items()]
    written = write_drafts(run, new)
    report_failed(run, failed, written, actor=actor)
    return Corrected(freeze(run, tokens, written, actor=actor), tuple(failed))


@transaction.atomic
def correct_statement(statement: Statement, *, actor: Actor) -> Statement | None:
    """Issue a correction of a statement (or of the one that it corrects); None when it is right as it is.

    Raises NotIssued, MonthNotClosed, SettingsChanged, AmountTooLarge.
    """
    if statement.status != StatementStatus.ISSUED:
        raise NotIssued(id=statement.pk)
    made = correct_statements(statement.month, actor=actor, tokens=[statement.token_id])
    for failure in made.failed:
        raise failure.error
    if not made.issued:
        return None
    mine = Statement.objects.filter(token=statement.token_id, month=statement.month)
    return mine.order_by("sequence").last()


def _sheet(month: date) -> StatementRun:
    start, end = month_span(month)
    if not is_closed(start, end):
        raise MonthNotClosed(month=f"{month:%Y-%m}")
    zone = settings.TIME_ZONE
    return StatementRun(month.replace(day=1), start, end, settings.MOREH_CURRENCY, zone, db_now())


def _of_other_settings(run: StatementRun, tokens: Tokens) -> dict[int, SettingsChanged]:
    """Return the tokens whose statements were issued in another currency or time zone, each with its refusal."""
    same = {"currency": run.currency, "starts_at": run.starts_at, "ends_at": run.ends_at}
    rows = _issued(run, tokens).exclude(**same).order_by("token_id", "-sequence")
    names = rows.values_list("token_id", "number", "currency", "time_zone")
    return {
        token: SettingsChanged(statement=number, currency=currency, timeZone=zone)
        for token, number, currency, zone in names
    }


def _issued(run: StatementRun, tokens: Tokens) -> QuerySet[Statement]:
    issued = Statement.objects.filter(month=run.month, status=StatementStatus.ISSUED)
    return issued if tokens is None else issued.filter(token__in=tokens)


def _corrections(run: StatementRun, tokens: Tokens, found: Mapping[int, Bill]) -> list[NewStatement]:
    """Number corrections after those that there are; all refer to the statement itself."""
    latest: dict[int, tuple[int, int]] = {}
    rows = _issued(run, tokens).order_by("sequence").values_list("token_id", "pk", "sequence")
    for token, pk, sequence in rows:
        latest[token] = (latest.get(token, (pk, 0))[0], sequence)
    return [
        NewStatement(token, bill, sequence=latest[token][1] + 1, corrects=latest[token][0])
        for token, bill in found.items()
    ]
