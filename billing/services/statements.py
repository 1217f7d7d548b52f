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
from billing.services.writing import NewStatement, Sheet, clear_drafts, freeze, write_drafts
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.errors import NotFound
from usage.rollups.measure import Tokens
from usage.rollups.turn import take_turn


class Made(NamedTuple):
    """How many statements were made, how many of them issued, and how many had been issued before."""

    made: int
    issued: int
    kept: int


@transaction.atomic
def make_statements(month: date, *, actor: Actor, tokens: Tokens = None, issue: bool = False) -> Made:
    """Make the drafts of a month again, of some tokens (ids) or of all that used something, and issue them if asked.

    What is issued stays. The number of queries does not depend on that of the tokens. Raises MonthNotClosed.
    """
    take_turn()  # nobody counts usage again, or makes statements, meanwhile
    sheet = _sheet(month)
    owed = bills(sheet.starts_at, sheet.ends_at, digits_of(sheet.currency), tokens)
    issued, drafts = clear_drafts(sheet.month, tokens)
    new = [NewStatement(token, bill, pk=drafts.get(token)) for token, bill in owed.items() if token not in issued]
    written = write_drafts(sheet, new)
    told: dict[str, Any] = {"month": f"{sheet.month:%Y-%m}", "statements": len(new), "issued": issue}
    told |= {} if tokens is None else {"tokens": [*tokens]}
    record("MAKE_STATEMENTS", actor=actor, **told)
    frozen = freeze(sheet, tokens, written, actor=actor) if issue else 0
    return Made(len(new), frozen, len(issued))


def issue_statement(statement: Statement, *, actor: Actor) -> Statement:
    """Make a draft again and issue it, for good.

    Raises MonthNotClosed, StatementFrozen when it is issued, NothingBilled when nothing was used any more.
    """
    return _make_again(statement, actor, issue=True)


def make_again(statement: Statement, *, actor: Actor) -> Statement:
    """Make a draft again, of what is known now. Raises as `issue_statement` does."""
    return _make_again(statement, actor, issue=False)


@transaction.atomic
def _make_again(statement: Statement, actor: Actor, *, issue: bool) -> Statement:
    if not Statement.objects.filter(pk=statement.pk).exists():
        raise NotFound(id=statement.pk)
    made = make_statements(statement.month, actor=actor, tokens=[statement.token_id], issue=issue)
    if made.kept:
        raise StatementFrozen(id=statement.pk)
    if not made.made:
        raise NothingBilled(id=statement.pk)
    return Statement.objects.get(pk=statement.pk)


@transaction.atomic
def correct_statements(month: date, *, actor: Actor, tokens: Tokens = None) -> int:
    """Issue a correction of each issued statement, of some tokens (ids) or of all, that is not what is owed now.

    Gives how many. Raises MonthNotClosed, SettingsChanged.
    """
    take_turn()
    sheet = _sheet(month)
    _require_same_settings(sheet, tokens)
    before = billed(sheet.month, tokens)
    owed = bills(sheet.starts_at, sheet.ends_at, digits_of(sheet.currency), tokens)
    found = dict(differences(owed, before))
    written = write_drafts(sheet, _corrections(sheet, tokens, found))
    return freeze(sheet, tokens, written, actor=actor)


def correct_statement(statement: Statement, *, actor: Actor) -> Statement | None:
    """Issue a correction of a statement (or of the one that it corrects); None when it is right as it is.

    Raises NotIssued, MonthNotClosed, SettingsChanged.
    """
    if statement.status != StatementStatus.ISSUED:
        raise NotIssued(id=statement.pk)
    if not correct_statements(statement.month, actor=actor, tokens=[statement.token_id]):
        return None
    mine = Statement.objects.filter(token=statement.token_id, month=statement.month)
    return mine.order_by("sequence").last()


def _sheet(month: date) -> Sheet:
    start, end = month_span(month)
    if not is_closed(end):
        raise MonthNotClosed(month=f"{month:%Y-%m}")
    zone = settings.TIME_ZONE
    return Sheet(month.replace(day=1), start, end, settings.MOREH_CURRENCY, zone, db_now())


def _require_same_settings(sheet: Sheet, tokens: Tokens) -> None:
    other = (
        _issued(sheet, tokens)
        .exclude(currency=sheet.currency, starts_at=sheet.starts_at, ends_at=sheet.ends_at)
        .first()
    )
    if other:
        raise SettingsChanged(statement=other.number, currency=other.currency, timeZone=other.time_zone)


def _issued(sheet: Sheet, tokens: Tokens) -> QuerySet[Statement]:
    issued = Statement.objects.filter(month=sheet.month, status=StatementStatus.ISSUED)
    return issued if tokens is None else issued.filter(token__in=tokens)


def _corrections(sheet: Sheet, tokens: Tokens, found: Mapping[int, Bill]) -> list[NewStatement]:
    """Number corrections after those that there are; all refer to the statement itself."""
    latest: dict[int, tuple[int, int]] = {}
    rows = _issued(sheet, tokens).order_by("sequence").values_list("token_id", "pk", "sequence")
    for token, pk, sequence in rows:
        latest[token] = (latest.get(token, (pk, 0))[0], sequence)
    return [
        NewStatement(token, bill, sequence=latest[token][1] + 1, corrects=latest[token][0])
        for token, bill in found.items()
    ]
