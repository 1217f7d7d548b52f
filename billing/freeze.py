"""Rows that the database never changes: issued statements with their lines, and the prices that they used."""

from core.frozen import FrozenTable


def _issued(ids: str) -> str:
    return f"EXISTS (SELECT 1 FROM {{schema}}billing_statement WHERE status = 'ISSUED' AND id IN ({ids}))"  # noqa: S608 - only our own names


def _used(price: str, also: str = "") -> str:
    """Return whether an issued statement used a price."""
    return f"""EXISTS (
        SELECT 1 FROM {{schema}}billing_statementline l JOIN {{schema}}billing_statement s ON s.id = l.statement_id
        WHERE s.status = 'ISSUED' AND l.price_id = {price} {also}
    )"""  # noqa: S608


SOME_ISSUED = "EXISTS (SELECT 1 FROM {schema}billing_statement WHERE status = 'ISSUED')"
# On SQLite: what is issued, or was used, and a row would take the place of. One condition for each index: with OR
# inside, 20,000 statements were read for each that was issued.
OTHER = "EXISTS (SELECT 1 FROM billing_statement WHERE status = 'ISSUED' AND {})"
STATEMENT_REPLACED = " OR ".join([
    OTHER.format("id = NEW.id"),
    OTHER.format("token_id = NEW.token_id AND month = NEW.month AND sequence = NEW.sequence"),
    OTHER.format("NOT number = '' AND number = NEW.number"),
])  # fmt: skip
LINE_REPLACED = _issued("(SELECT statement_id FROM billing_statementline WHERE id = NEW.id)")
PRICE_REPLACED = f"""EXISTS (
    SELECT 1 FROM billing_price p WHERE {{but}} (
        p.id = NEW.id OR (p.sda_model_id = NEW.sda_model_id AND p.valid_from = NEW.valid_from)
        OR (p.sda_model_id IS NULL AND NEW.sda_model_id IS NULL AND p.device_model = NEW.device_model
            AND p.valid_from = NEW.valid_from)
    ) AND {_used("p.id")}
)"""  # noqa: S608
# Of what a price is, how much, and since when; nor does it end before what was billed at it.
PRICE_CHANGED = f"""(
    NEW.id <> OLD.id OR NEW.amount <> OLD.amount OR NEW.valid_from <> OLD.valid_from
    OR NEW.device_model <> OLD.device_model OR coalesce(NEW.sda_model_id, 0) <> coalesce(OLD.sda_model_id, 0)
) AND {_used("OLD.id")}"""
PRICE_SHORTENED = f"""(
    NEW.valid_until < coalesce(OLD.valid_until, '9999-12-31')
) AND {_used("OLD.id", "AND NEW.valid_until < {next_month}")}"""
NEVER = "an issued statement never changes"
FROZEN = (
    FrozenTable(
        "billing_statement",
        NEVER,
        {"UPDATE": "OLD.status = 'ISSUED'", "DELETE": "OLD.status = 'ISSUED'", "TRUNCATE": SOME_ISSUED},
        on_sqlite={"INSERT": STATEMENT_REPLACED, "UPDATE": STATEMENT_REPLACED},
    ),
    FrozenTable(
        "billing_statementline",
        NEVER,
        {
            "INSERT": _issued("NEW.statement_id"),
            "UPDATE": _issued("OLD.statement_id, NEW.statement_id"),
            "DELETE": _issued("OLD.statement_id"),
            "TRUNCATE": SOME_ISSUED,
        },
        on_sqlite={"INSERT": LINE_REPLACED, "UPDATE": LINE_REPLACED},
    ),
    FrozenTable(
        "billing_price",
        "a price that an issued statement used never changes",
        {"UPDATE": f"({PRICE_CHANGED}) OR ({PRICE_SHORTENED})", "DELETE": _used("OLD.id")},
        on_sqlite={
            "INSERT": PRICE_REPLACED.replace("{but}", ""),
            "UPDATE": PRICE_REPLACED.replace("{but}", "p.id <> OLD.id AND"),
        },
    ),
)
