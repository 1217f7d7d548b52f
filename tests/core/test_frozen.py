"""What is issued or logged never changes: neither database has a statement that does it."""

from collections.abc import Iterator
from datetime import date

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from billing.models import Price, Statement, StatementLine
from billing.services.prices import end_price
from billing.services.statements import correct_statements, make_statements
from core.frozen import thaw, unfrozen
from events.models import Event
from tests import make
from tests.billing.world import HOUR, MARCH, START, close, hold, price

pytestmark = pytest.mark.django_db
STATEMENT, LINE = "an issued statement never changes", "an issued statement never changes"
PRICE, EVENT = "a price that an issued statement used never changes", "an event never changes"
EVERYWHERE = {
    "UPDATE billing_statement SET total = 1": STATEMENT,
    "UPDATE billing_statement SET status = 'DRAFT', number = '', issued_at = NULL": STATEMENT,
    "DELETE FROM billing_statement": STATEMENT,
    "UPDATE billing_statementline SET amount = 1": LINE,
    "UPDATE billing_statementline SET statement_id = {draft}": LINE,
    "UPDATE billing_statementline SET statement_id = {issued} WHERE statement_id = {draft}": LINE,
    "DELETE FROM billing_statementline": LINE,
    "INSERT INTO billing_statementline (statement_id, place, sda_model_id, sda_model_name, device_model, device_ms,"
    " preparing_ms, reserved_ms, amount) SELECT {issued}, 9, sda_model_id, '', '', 1, 0, 0, 1"
    " FROM billing_statementline WHERE statement_id = {issued}": LINE,
    "UPDATE billing_price SET amount = 1 WHERE id = {used}": PRICE,
    "UPDATE billing_price SET valid_from = '2025-02-01' WHERE id = {used}": PRICE,
    "UPDATE billing_price SET valid_until = '2025-03-31' WHERE id = {used}": PRICE,
    "UPDATE billing_price SET sda_model_id = NULL, device_model = 'other' WHERE id = {used}": PRICE,
    "DELETE FROM billing_price": PRICE,
    "UPDATE events_event SET actor = 'nobody'": EVENT,
    "DELETE FROM events_event": EVENT,
}
ON_POSTGRESQL = {
    "TRUNCATE billing_statement CASCADE": STATEMENT,
    "TRUNCATE billing_statementline": LINE,
    "TRUNCATE billing_price CASCADE": LINE,
    "TRUNCATE tokens_token CASCADE": STATEMENT,
    "TRUNCATE events_event": EVENT,
    "UPDATE billing_statement SET total = 1 WHERE id = {issued}": STATEMENT,
    "DELETE FROM events_event": EVENT,
}
# Each names the columns of the row that comes, which takes the place of a frozen one.
ON_SQLITE = {
    "INSERT OR REPLACE INTO billing_statement SELECT * FROM billing_statement WHERE id = {issued}": STATEMENT,
    "UPDATE OR REPLACE billing_statement SET id = {issued} WHERE id = {draft}": STATEMENT,
    "UPDATE OR REPLACE billing_statement SET token_id = (SELECT token_id FROM billing_statement WHERE id = {issued})"
    " WHERE id = {draft}": STATEMENT,
    "INSERT OR REPLACE INTO billing_statementline SELECT * FROM billing_statementline"
    " WHERE statement_id = {issued}": LINE,
    "UPDATE OR REPLACE billing_statementline SET id = (SELECT id FROM billing_statementline"
    " WHERE statement_id = {issued}) WHERE statement_id = {draft}": LINE,
    "INSERT OR REPLACE INTO billing_price SELECT * FROM billing_price WHERE id = {used}": PRICE,
    "INSERT OR REPLACE INTO billing_price (device_model, sda_model_id, amount, valid_from)"
    " SELECT device_model, sda_model_id, 1, valid_from FROM billing_price WHERE id = {used}": PRICE,
    "UPDATE OR REPLACE billing_price SET device_model = 'MI250' WHERE id = {unused}": PRICE,
    "INSERT OR REPLACE INTO events_event SELECT * FROM events_event": EVENT,
}


@pytest.fixture
def world() -> dict[str, int]:
    """An issued statement with a price, a draft of another token, and a price that nothing was billed at."""
    sdas = [make.sda(), make.sda()]
    for sda in sdas:
        hold(sda, START, START + HOUR)
    used, unused = price("1000", device_model="MI250"), price("7", device_model="MI300")
    close()
    make_statements(MARCH, actor=make.ACTOR)
    make_statements(MARCH, actor=make.ACTOR, tokens=[sdas[0].token_id], issue=True)
    ids = dict(Statement.objects.values_list("status", "pk"))
    return {"issued": ids["ISSUED"], "draft": ids["DRAFT"], "used": used.pk, "unused": unused.pk}


def _refused(statement: str, says: str, world: dict[str, int]) -> None:
    before = _rows()
    with pytest.raises(IntegrityError, match=says), transaction.atomic():
        make.sql(statement.format(**world))
    assert _rows() == before


def _rows() -> list[object]:
    return [list(model.objects.order_by("pk").values()) for model in (Statement, StatementLine, Price, Event)]


@pytest.mark.parametrize("statement", EVERYWHERE)
def test_what_is_issued_or_logged_never_changes(statement: str, world: dict[str, int]) -> None:
    _refused(statement, EVERYWHERE[statement], world)


@pytest.mark.only_postgresql
@pytest.mark.parametrize("statement", ON_POSTGRESQL)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_nor_is_it_emptied_away(statement: str, role: str, world: dict[str, int]) -> None:
    """Not by a session either that says it applies what another server has done."""
    make.sql("SET CONSTRAINTS ALL IMMEDIATE")  # as after a commit
    make.sql(f"SET LOCAL session_replication_role = {role}")
    _refused(statement, ON_POSTGRESQL[statement], world)


@pytest.mark.only_postgresql
def test_a_temporary_table_does_not_hide_what_is_issued(world: dict[str, int]) -> None:
    make.sql("CREATE TEMPORARY TABLE billing_statement (id bigint, status text) ON COMMIT DROP")
    with pytest.raises(IntegrityError, match=LINE), transaction.atomic():
        make.sql("UPDATE billing_statementline SET amount = 1")


@pytest.mark.only_sqlite
@pytest.mark.parametrize("statement", ON_SQLITE)
def test_nor_is_it_replaced(statement: str, world: dict[str, int]) -> None:
    _refused(statement, ON_SQLITE[statement], world)


def test_what_is_not_issued_changes_still(world: dict[str, int]) -> None:
    """Drafts are made again, prices that nothing was billed at change, and one that was used may end later."""
    make.sql("UPDATE billing_price SET amount = 8 WHERE id = %s", world["unused"])
    make.sql("DELETE FROM billing_price WHERE id = %s", world["unused"])
    end_price(Price.objects.get(), date(2025, 4, 1), actor=make.ACTOR)
    end_price(Price.objects.get(), date(2025, 5, 1), actor=make.ACTOR)
    assert make_statements(MARCH, actor=make.ACTOR).made == 1
    assert correct_statements(MARCH, actor=make.ACTOR).issued == 0
    assert unfrozen() == []


@pytest.fixture
def thawed() -> Iterator[None]:
    thaw()
    yield
    call_command("migrate", verbosity=0)


@pytest.mark.usefixtures("thawed")
def test_triggers_that_are_gone_are_seen_and_come_back_with_a_migration() -> None:
    tables = {"billing_statement": 3, "billing_statementline": 4, "billing_price": 2, "events_event": 3}
    if connection.vendor == "sqlite":
        tables = {"billing_statement": 3, "billing_statementline": 3, "billing_price": 3, "events_event": 3}
    found = [table for table, _name in unfrozen()]
    assert {table: found.count(table) for table in found} == tables
    call_command("migrate", verbosity=0)
    assert unfrozen() == []


FIRED = "EXECUTE FUNCTION billing_statement_update_frozen()"
ALWAYS = "ALTER TABLE billing_statement ENABLE ALWAYS TRIGGER billing_statement_update_frozen"
MADE = "CREATE OR REPLACE TRIGGER billing_statement_update_frozen BEFORE"
DROPPED = "DROP TRIGGER billing_statement_update_frozen ON billing_statement"
WEAKENED = {
    "that never fires": [f"{MADE} UPDATE ON billing_statement FOR EACH ROW WHEN (false) {FIRED}", ALWAYS],
    "for one column": [f"{MADE} UPDATE OF made_at ON billing_statement FOR EACH ROW {FIRED}", ALWAYS],
    "for another verb": [f"{MADE} INSERT ON billing_statement FOR EACH ROW {FIRED}", ALWAYS],
    "for statements": [f"{MADE} UPDATE ON billing_statement FOR EACH STATEMENT {FIRED}", ALWAYS],
    "on another table": [
        DROPPED,
        f"{MADE} UPDATE ON billing_price FOR EACH ROW {FIRED}",
        "ALTER TABLE billing_price ENABLE ALWAYS TRIGGER billing_statement_update_frozen",
    ],
    "that is off": [ALWAYS.replace("ENABLE ALWAYS", "DISABLE")],
    "that is off where others apply changes": [ALWAYS.replace("ENABLE ALWAYS", "ENABLE")],
    "that is gone": [DROPPED],
}


@pytest.mark.only_postgresql
@pytest.mark.parametrize("how", WEAKENED)
def test_a_trigger_that_was_weakened_is_named(how: str) -> None:
    for statement in WEAKENED[how]:
        make.sql(statement)
    assert unfrozen() == [("billing_statement", "billing_statement_update_frozen")]
