"""How statements are written: drafts with their lines in bulk, then frozen by one update."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import CharField, Q, Value
from django.db.models.functions import Cast, Concat

from billing.choices import StatementKind, StatementStatus
from billing.errors import AmountTooLarge
from billing.models import Statement, StatementLine
from billing.models.statements import MOST
from billing.pricing import digits_of, money
from billing.queries.bills import Bill, in_order
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import NewEvent, record_all
from moreh_cloud.lib.bulk import insert_rows, reserve_ids
from sda.models import SdaModel
from tokens.models import Token
from usage.rollups.measure import Tokens


@dataclass(frozen=True, slots=True)
class Sheet:
    """What all statements that are made at once have in common."""

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


Written = Sequence[tuple[int, NewStatement]]  # each with its number in the database

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
    """Delete the drafts of a month; give the tokens of issued ones, and the numbers of the drafts by token."""
    mine = Q(month=month, sequence=0) & (Q() if tokens is None else Q(token__in=tokens))
    rows = list(Statement.objects.filter(mine).order_by().values_list("token_id", "pk", "status"))
    issued = {token for token, _pk, status in rows if status == StatementStatus.ISSUED}
    drafts = Statement.objects.filter(mine, status=StatementStatus.DRAFT).order_by()
    StatementLine.objects.filter(statement__in=drafts).order_by().delete()
    drafts.delete()
    return issued, {token: pk for token, pk, status in rows if status == StatementStatus.DRAFT}


def write_drafts(sheet: Sheet, new: Sequence[NewStatement]) -> Written:
    """Write statements with their lines and the names of now; give them with their numbers. Raises AmountTooLarge."""
    _require_writable(new)
    ids = iter(reserve_ids(Statement, sum(one.pk is None for one in new)))
    numbered = [(one.pk or next(ids), one) for one in new]
    some = Token.objects.filter(pk__in=[one.token for one in new]) if len(new) < FEW else Token.objects.all()
    customers = dict(some.values_list("pk", "description"))
    insert_rows(Statement, COLUMNS, (_row(sheet, pk, one, customers[one.token]) for pk, one in numbered))
    models = dict(SdaModel.objects.values_list("pk", "name"))
    insert_rows(StatementLine, LINE, (row for pk, one in numbered for row in _lines(pk, one.bill, models)))
    return numbered


def _require_writable(new: Sequence[NewStatement]) -> None:
    for one in new:
        if sum(abs(line.amount) for line in one.bill.values()) >= MOST:
            raise AmountTooLarge(token=one.token)


def _row(sheet: Sheet, pk: int, one: NewStatement, customer: str) -> tuple[Any, ...]:
    kind = StatementKind.CORRECTION if one.sequence else StatementKind.STATEMENT
    ms = sum(line.times.device_ms for line in one.bill.values())
    who = (pk, one.token, sheet.month, one.sequence, kind.value, StatementStatus.DRAFT.value, one.corrects)
    span = (sheet.time_zone, sheet.starts_at, sheet.ends_at)
    return *who, "", customer, sheet.currency, *span, ms, one.total, sheet.made_at, None, ""


def _lines(pk: int, bill: Bill, models: Mapping[int, str]) -> Iterator[tuple[Any, ...]]:
    for place, kind in enumerate(sorted(bill, key=in_order), 1):
        line = bill[kind]
        what = (kind.sda_model, models[kind.sda_model], kind.device_model, kind.price, line.unit_price)
        times = (line.times.device_ms, line.times.preparing_ms, line.times.reserved_ms)
        yield pk, place, *what, *times, line.amount


def freeze(sheet: Sheet, tokens: Tokens, written: Written, *, actor: Actor) -> int:
    """Issue what was just written, all drafts of the month (of these tokens); each is told by an event of its token."""
    drafts = Statement.objects.filter(month=sheet.month, status=StatementStatus.DRAFT)
    drafts = drafts if tokens is None else drafts.filter(token__in=tokens)
    kinds = {StatementKind.CORRECTION if one.sequence else StatementKind.STATEMENT for _pk, one in written}
    issued = {"status": StatementStatus.ISSUED, "issued_at": sheet.made_at, "issued_by": actor.name[:150]}
    count = sum(drafts.filter(kind=kind).update(**issued, number=_number(sheet, kind)) for kind in kinds)
    record_all((_told(sheet, pk, one) for pk, one in written), actor=actor)
    return count


def _number(sheet: Sheet, kind: StatementKind) -> Concat:
    parts = [Value(f"{sheet.month:%Y%m}-"), Cast("token_id", CharField())]
    if kind == StatementKind.CORRECTION:
        parts += [Value("-"), Cast("sequence", CharField())]
    return Concat(*parts, output_field=CharField())


def _told(sheet: Sheet, pk: int, one: NewStatement) -> NewEvent:
    action = "CORRECT_STATEMENT" if one.sequence else "ISSUE_STATEMENT"
    total = money(one.total, digits_of(sheet.currency))
    told = {"month": f"{sheet.month:%Y-%m}", "total": total, "currency": sheet.currency}
    return NewEvent(action, f"statement/{pk}", one.token, told)
