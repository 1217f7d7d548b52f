"""Issued statements beside the events of their issue, which hold every value of them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from billing.choices import StatementStatus
from billing.models import Statement, StatementLine
from billing.queries.documents import CORRECTED, ISSUED, LINE, STATEMENT, json_value
from events.models import Event

CHUNK = 1000
Row = Mapping[str, Any]


class Issue(NamedTuple):
    """An event that says that a statement was issued."""

    event: int
    subject: str
    token: int | None
    request: Row

    @property
    def statement(self) -> int:
        """Return the statement's values as the event stored them."""
        kind, _slash, number = self.subject.partition("/")
        return int(number) if kind == "statement" and number.isdecimal() else 0


def unlike_issued() -> Iterator[str]:
    """Return a line for each value unlike its event, and for statements and events without each other."""
    recorded: set[int] = set()
    for issues in _chunks():
        numbers = [issue.statement for issue in issues]
        heads = Statement.objects.filter(pk__in=numbers).order_by().values("id", *STATEMENT)
        rows = {row["id"]: row for row in heads}
        lines = _lines(numbers)
        for issue in issues:
            if issue.statement in recorded:
                yield f"events_event {issue.event}: another event says already that {issue.subject} was issued"
            recorded.add(issue.statement)
            try:
                yield from [*_unlike(issue, rows.get(issue.statement), lines[issue.statement])]
            except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
                yield f"events_event {issue.event} request: is not as statements are issued ({error!r})"
    issued = Statement.objects.filter(status=StatementStatus.ISSUED).order_by("pk").values_list("pk", flat=True)
    yield from (f"billing_statement {pk}: no event says that it was issued" for pk in issued if pk not in recorded)


def _chunks() -> Iterator[list[Issue]]:
    events = Event.objects.filter(action__in=(ISSUED, CORRECTED)).order_by("pk")
    rows = events.values_list("pk", "subject", "token_id", "request").iterator(chunk_size=CHUNK)
    while chunk := [Issue(*row) for row in islice(rows, CHUNK)]:
        yield chunk


def _lines(statements: Sequence[int]) -> Mapping[int, Mapping[int, Row]]:
    """Return the lines of statements, by place."""
    found: defaultdict[int, dict[int, Row]] = defaultdict(dict)
    for line in StatementLine.objects.filter(statement__in=statements).order_by().values("id", "statement_id", *LINE):
        found[line["statement_id"]][line["place"]] = line
    return found


def _unlike(issue: Issue, row: Row | None, lines: Mapping[int, Row]) -> Iterator[str]:
    if row is None:
        yield f"billing_statement {issue.statement}: event {issue.event} says that it was issued, but it is gone"
        return
    for name, value in _statement(issue).items():
        if json_value(row[name]) != value:
            yield _differs("billing_statement", row["id"], name, row[name], value)
    if "lines" in issue.request:
        wanted = {line["place"]: line for line in issue.request["lines"]}
        for place in sorted(lines.keys() | wanted.keys()):
            yield from _line(issue, place, lines.get(place), wanted.get(place))


def _statement(issue: Issue) -> Row:
    """Return what an event says of a statement's row; older releases wrote the month and the total only."""
    request = issue.request
    if "statement" in request:
        return {**request["statement"], "token_id": issue.token}
    about = {"token_id": issue.token, "status": StatementStatus.ISSUED.value, "currency": request.get("currency")}
    return {**about, "month": f"{request.get('month')}-01", "total": json_value(Decimal(request.get("total", "NaN")))}


def _line(issue: Issue, place: int, line: Row | None, wanted: Row | None) -> Iterator[str]:
    if line is None:
        yield f"billing_statementline of statement {issue.statement}, place {place}: was issued, but it is gone"
    elif wanted is None:
        yield f"billing_statementline {line['id']}: is not among the lines that were issued"
    else:
        for name in LINE:
            if json_value(line[name]) != wanted.get(name):
                yield _differs("billing_statementline", line["id"], name, line[name], wanted.get(name))


def _differs(table: str, pk: int, name: str, value: Any, issued: Any) -> str:
    return f"{table} {pk} {name}: is {value}, was issued as {issued}"
