"""Invariants of a statement: amounts are device-time times price, rounded, and totals are sums of lines."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Exists, OuterRef

from billing.choices import StatementStatus
from billing.models import Price, Statement, StatementLine
from billing.pricing import charge, digits_of, rounded
from billing.queries.documents import number_of

CHUNK = 5000
HEAD = ("id", "token_id", "sequence", "status", "number", "corrects_id", "currency", "device_ms", "total")
LINE = (
    *("id", "statement_id", "sda_model_id", "device_model", "price_id"),
    *("unit_price", "device_ms", "amount"),
)
Row = Mapping[str, Any]
Prices = Mapping[int, Decimal]


def wrong_sums() -> Iterator[str]:
    """Return a line for each value of a statement or a line that does not agree with the others."""
    prices = dict(Price.objects.order_by().values_list("pk", "amount"))
    for month in Statement.objects.order_by("month").values_list("month", flat=True).distinct():
        yield from _of_month(month, prices)
    there = Statement.objects.filter(pk=OuterRef("statement_id"))
    for pk, statement in StatementLine.objects.filter(~Exists(there)).order_by("pk").values_list("pk", "statement_id"):
        yield f"billing_statementline {pk} statement_id: there is no statement {statement}"


def _of_month(month: date, prices: Prices) -> Iterator[str]:
    heads = {row["id"]: row for row in Statement.objects.filter(month=month).order_by("pk").values(*HEAD)}
    times: defaultdict[int, int] = defaultdict(int)
    totals: defaultdict[int, Decimal] = defaultdict(Decimal)
    billed: defaultdict[tuple[Any, ...], int] = defaultdict(int)
    lines = StatementLine.objects.filter(statement__month=month)
    in_order = lines.order_by("statement__token_id", "statement__sequence", "place")
    for line in in_order.values(*LINE).iterator(chunk_size=CHUNK):
        head = heads[line["statement_id"]]
        times[head["id"]] += line["device_ms"]
        totals[head["id"]] += line["amount"]
        kind = (head["token_id"], line["sda_model_id"], line["device_model"], line["price_id"])
        before = billed[kind]
        billed[kind] += line["device_ms"]
        yield from _line(line, before, digits_of(head["currency"]))
        if head["status"] == StatementStatus.ISSUED:
            yield from _price(line, prices)
    firsts = {head["token_id"]: head["id"] for head in heads.values() if not head["sequence"]}
    for head in heads.values():
        yield from _head(month, head, times[head["id"]], totals[head["id"]], firsts.get(head["token_id"]))


def _line(line: Row, before: int, digits: int) -> Iterator[str]:
    """Compare an amount with its device-time and price; of a correction, with what it adds to those billed before."""
    price, ms = line["unit_price"], line["device_ms"]
    if price is not None and not price.is_finite():
        yield f"billing_statementline {line['id']} unit_price: is {price}"
        return
    due = Decimal(0)
    if price is not None:
        due = rounded(charge(before + ms, price), digits) - rounded(charge(before, price), digits)
    if line["amount"] != due:
        how = f"{ms} device-ms at {price} an hour are {due}"
        yield f"billing_statementline {line['id']} amount: is {line['amount']}, but {how}"


def _price(line: Row, prices: Prices) -> Iterator[str]:
    price = prices.get(line["price_id"])
    if line["unit_price"] != price:
        which = f"price {line['price_id']} is {price}"
        yield f"billing_statementline {line['id']} unit_price: is {line['unit_price']}, but {which}"


def _head(month: date, head: Row, ms: int, total: Decimal, first: int | None) -> Iterator[str]:
    wanted: dict[str, Any] = {"device_ms": ms, "total": total, "corrects_id": first if head["sequence"] else None}
    if head["status"] == StatementStatus.ISSUED:
        wanted["number"] = number_of(month, head["token_id"], head["sequence"])
    for name, value in wanted.items():
        if head[name] != value:
            yield f"billing_statement {head['id']} {name}: is {head[name]}, but its lines and others say {value}"
