"""Writing of statements: drafts with their lines in bulk, then frozen by one update."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import CharField, Q, Value
from django.db.models.functions import Cast, Concat

from billing.choices import STATEMENT_TRANSITIONS, StatementKind, StatementStatus
from billing.models import Statement, StatementLine
from billing.pricing import digits_of, money
from billing.queries.bills import Bill, in_order
from billing.queries.documents import CORRECTED, ISSUED, event_values, number_of
from core.bulk import insert_rows, reserve_ids
from events.actor import Actor
from events.services import NewEvent, record_all
from sda.models import SdaModel
from tokens.models import Token
from usage.rollups.measure import Tokens

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class StatementRun:
    """The common parts of all statements that are created at once."""

    month: date
    starts_at: datetime
    ends_at: datetime
    currency: str
    time_zone: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class NewStatement:
    """A statement to be written, or a correction of one; with `pk` in the place of the draft before it."""

    token: int
    bill: Bill
    pk: int | None = None
    sequence: int = 0
    corrects: int | None = None

    @property
    def total(self) -> Decimal:
        """The sum of the rounded lines."""
        return sum((line.amount for line in self.bill.values()), Decimal(0))


@dataclass(frozen=True, slots=True)
class WrittenStatement:
    """A statement as its row and those of its lines were written."""

    pk: int
    new: NewStatement
    row: Row
    lines: Sequence[Row]


FEW = 1000  # tokens that are named in a query; for more, all are read
COLUMNS = (
    *("id", "token_id", "month", "sequence", "kind", "status", "corrects_id", "number", "customer", "currency"),
    *("time_zone", "starts_at", "ends_at", "device_ms", "total", "made_at", "issued_at", "issued_by"),
)
LINE = (
    *("statement_id", "place", "sda_model_id", "sda_model_name", "device_model", "price_id", "unit_price"),
    *("device_ms", "preparing_ms", "reserved_ms", "amount"),
)


def clear_drafts(month: date, tokens: Tokens) -> tuple[set[int], dict[int, int]]:
    """Delete the drafts of a month; return the tokens of issued ones, and the numbers of the drafts by token."""
    mine = Q(month=month, sequence=0) & (Q() if tokens is None else Q(token__in=tokens))
    rows = list(Statement.objects.filter(mine).order_by().values_list("token_id", "pk", "status"))
    issued = {token for token, _pk, status in rows if status == StatementStatus.ISSUED}
    drafts = Statement.objects.filter(mine, status=StatementStatus.DRAFT).order_by()
    StatementLine.objects.filter(statement__in=drafts).order_by().delete()
    drafts.delete()
    return issued, {token: pk for token, pk, status in rows if status == StatementStatus.DRAFT}


def write_drafts(run: StatementRun, new: Sequence[NewStatement]) -> list[WrittenStatement]:
    """Write statements with their lines and the names of now."""
    ids = iter(reserve_ids(Statement, sum(one.pk is None for one in new)))
    numbered = [(one.pk or next(ids), one) for one in new]
    some = Token.objects.filter(pk__in=[one.token for one in new]) if len(new) < FEW else Token.objects.all()
    customers = dict(some.values_list("pk", "description"))
    models = dict(SdaModel.objects.values_list("pk", "name"))
    written = [
        WrittenStatement(pk, one, _row(run, pk, one, customers[one.token]), list(_lines(pk, one.bill, models)))
        for pk, one in numbered
    ]
    insert_rows(Statement, COLUMNS, (one.row for one in written))
    insert_rows(StatementLine, LINE, (line for one in written for line in one.lines))
    return written


def _row(run: StatementRun, pk: int, one: NewStatement, customer: str) -> Row:
    kind = StatementKind.CORRECTION if one.sequence else StatementKind.STATEMENT
    ms = sum(line.times.device_ms for line in one.bill.values())
    who = (pk, one.token, run.month, one.sequence, kind.value, StatementStatus.DRAFT.value, one.corrects)
    span = (run.time_zone, run.starts_at, run.ends_at)
    return *who, "", customer, run.currency, *span, ms, one.total, run.made_at, None, ""


def _lines(pk: int, bill: Bill, models: Mapping[int, str]) -> Iterator[Row]:
    for place, kind in enumerate(sorted(bill, key=in_order), 1):
        line = bill[kind]
        what = (kind.sda_model, models[kind.sda_model], kind.device_model, kind.price, line.unit_price)
        times = (line.times.device_ms, line.times.preparing_ms, line.times.reserved_ms)
        yield pk, place, *what, *times, line.amount


def freeze(run: StatementRun, tokens: Tokens, written: Sequence[WrittenStatement], *, actor: Actor) -> int:
    """Issue what was just written, all drafts of the month (of these tokens); the event of each holds all of it."""
    may_be_issued = STATEMENT_TRANSITIONS.before(StatementStatus.ISSUED)
    drafts = Statement.objects.filter(month=run.month, status__in=may_be_issued)
    drafts = drafts if tokens is None else drafts.filter(token__in=tokens)
    kinds = {StatementKind.CORRECTION if one.new.sequence else StatementKind.STATEMENT for one in written}
    issued = {"status": StatementStatus.ISSUED.value, "issued_at": run.made_at, "issued_by": actor.name[:150]}
    count = sum(drafts.filter(kind=kind).update(**issued, number=_number(run, kind)) for kind in kinds)
    record_all((_issue_event(run, one, issued) for one in written), actor=actor)
    return count


def _number(run: StatementRun, kind: StatementKind) -> Concat:
    parts = [Value(f"{run.month:%Y%m}-"), Cast("token_id", CharField())]
    if kind == StatementKind.CORRECTION:
        parts += [Value("-"), Cast("sequence", CharField())]
    return Concat(*parts, output_field=CharField())


def _issue_event(run: StatementRun, one: WrittenStatement, issued: Mapping[str, Any]) -> NewEvent:
    total = money(one.new.total, digits_of(run.currency))
    head = {"month": f"{run.month:%Y-%m}", "total": total, "currency": run.currency}
    number = number_of(run.month, one.new.token, one.new.sequence)
    statement = {**dict(zip(COLUMNS, one.row, strict=True)), **issued, "number": number}
    lines = [dict(zip(LINE, line, strict=True)) for line in one.lines]
    action = CORRECTED if one.new.sequence else ISSUED
    return NewEvent(action, f"statement/{one.pk}", one.new.token, {**head, **event_values(statement, lines)})
