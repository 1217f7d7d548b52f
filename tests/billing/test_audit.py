"""Whatever is done to money past the services and triggers: `prove` names its table, its row and its column."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.db import connection, transaction

from billing.audit import audit_billing
from billing.models import Budget, Price, Statement, StatementLine
from billing.services.budgets import create_budget, update_budget
from billing.services.prices import delete_price, end_price
from billing.services.statements import correct_statements, make_statements
from core.frozen import thaw
from events.models import Event
from tests import make
from tests.billing.tamperings import ON_POSTGRESQL, ON_SQLITE, TAMPERINGS
from tests.billing.world import END, HOUR, MARCH, START, close, hold, price
from tokens.choices import BudgetKind

pytestmark = pytest.mark.django_db


def _world(chance: Random) -> None:
    """Issue statements of random usage and prices, correct them twice, and leave a draft."""
    sdas = [make.sda() for _ in range(3)]
    models = ("MI100", "MI250", "MI300")

    def use(times: int) -> None:
        for _ in range(times):
            start = START + timedelta(milliseconds=chance.randrange(29 * 86_400_000))
            end = start + timedelta(milliseconds=chance.randrange(1, 2 * 86_400_000))
            hold(chance.choice(sdas), start, end, device_model=chance.choice(models))
        close()

    changes = MARCH + timedelta(days=chance.randrange(1, 30))
    price(str(chance.randrange(10**9) / Decimal(10**6)), sda_model=sdas[0].model)
    price(str(chance.randrange(10**9) / Decimal(10**3)), until=changes, device_model="MI250")
    price(str(chance.randrange(10**9) / Decimal(10**3)), changes, device_model="MI250")
    end_price(price("5", device_model="unused"), date(2025, 7, 1), actor=make.ACTOR)
    delete_price(price("6", device_model="gone"), actor=make.ACTOR)
    hold(sdas[0], START, START + HOUR)
    use(5)
    assert make_statements(MARCH, actor=make.ACTOR, issue=True).issued
    for times in (2, 3):
        use(times)
        assert correct_statements(MARCH, actor=make.ACTOR).issued
    hold(make.sda(), END - HOUR, END)
    close()
    assert make_statements(MARCH, actor=make.ACTOR).made
    budget = create_budget(sdas[0].token, BudgetKind.MONEY, amount=Decimal(7), stops=True, actor=make.ACTOR)
    update_budget(budget, amount=Decimal("7.5"), actor=make.ACTOR)


def _rows(chance: Random) -> dict[str, int]:
    """Choose which rows are tampered with; a statement that has a line with a price, which is any of its lines."""
    lines = StatementLine.objects.filter(statement__status="ISSUED", price__isnull=False).order_by("pk")
    line = chance.choice([*lines])
    draft = Statement.objects.get(status="DRAFT").pk
    unused = Price.objects.get(device_model="unused").pk
    found: dict[str, Any] = {
        "line": line.pk, "place": line.place, "statement": line.statement_id, "used": line.price_id,
        "draft": draft, "unused": unused, "budget": Budget.objects.get().pk, "stranger": make.token().pk,
        "model": make.sda_model().pk, "event": Event.objects.get(subject=f"statement/{line.statement_id}").pk,
    }  # fmt: skip
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_every_tampering_with_money_is_named_by_table_row_and_column(seed: int) -> None:
    chance = Random(seed)  # noqa: S311
    _world(chance)
    assert audit_billing().differences == []
    rows = {name: _rows(chance) for name in TAMPERINGS}
    assert audit_billing().differences == []
    _off()
    unseen = {name: found for name in TAMPERINGS if not any(found := _tampered(name, rows[name]))}
    assert unseen == {}


def test_a_value_that_cannot_be_read_is_named() -> None:
    _world(Random(3))  # noqa: S311
    _off()
    for table, changes in (ON_POSTGRESQL if connection.vendor == "postgresql" else ON_SQLITE).items():
        for change in changes:
            with transaction.atomic():
                with _unchecked():
                    make.sql(f"UPDATE {table} SET {change} WHERE id = (SELECT max(id) FROM {table})")  # noqa: S608
                pk = _newest(table)
                found = audit_billing().differences
                transaction.set_rollback(True)
            whose = f"{table} {pk} {change.partition(' ')[0]}: "
            assert [one for one in found if one.startswith(whose)], (table, change)


@contextmanager
def _unchecked() -> Iterator[None]:
    """Write past the constraints of a table, as who edits the file of SQLite can."""
    if connection.vendor != "sqlite":
        yield
        return
    make.sql("PRAGMA ignore_check_constraints = ON")
    try:
        yield
    finally:
        make.sql("PRAGMA ignore_check_constraints = OFF")


def _off() -> None:
    """Drop the triggers, and let foreign keys wait for the commit, which never comes."""
    if connection.vendor == "postgresql":
        make.sql("SET CONSTRAINTS ALL IMMEDIATE")
    thaw()
    if connection.vendor == "postgresql":
        make.sql("SET CONSTRAINTS ALL DEFERRED")


def _tampered(name: str, rows: dict[str, int]) -> list[str]:
    """Tamper, prove and take it back; return the differences that name what was done."""
    statements, named = TAMPERINGS[name]
    with transaction.atomic():
        for statement in statements:
            assert make.sql(statement.format(**rows)) > 0
        named = _filled(named, rows)
        found = audit_billing().differences
        transaction.set_rollback(True)
    return [difference for difference in found if difference.startswith(named)]


def _filled(named: str, rows: dict[str, int]) -> str:
    """Fill in the numbers; that of a row that was added is the highest there is now."""
    tables = {"line": "billing_statementline", "statement": "billing_statement", "price": "billing_price"}
    tables["event"] = "events_event"
    added = dict(rows)
    for name, table in tables.items():
        added[f"next_{name}"] = _newest(table)
    return named.format(**added)


def _newest(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(max(id), 0) FROM {table}")  # noqa: S608
        return int(cursor.fetchone()[0])
