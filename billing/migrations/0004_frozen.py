from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# Nobody changes what is issued, not even by hand. A migration that remakes the tables on SQLite must make these again.
POSTGRESQL = """
CREATE FUNCTION billing_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'an issued statement never changes' USING ERRCODE = 'integrity_constraint_violation'; END $$;
CREATE FUNCTION billing_line_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM billing_statement WHERE status = 'ISSUED'
        AND id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.statement_id END,
                   CASE WHEN TG_OP <> 'DELETE' THEN NEW.statement_id END)) THEN
        RAISE EXCEPTION 'an issued statement never changes' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER statement_frozen BEFORE UPDATE OR DELETE ON billing_statement
    FOR EACH ROW WHEN (OLD.status = 'ISSUED') EXECUTE FUNCTION billing_frozen();
CREATE TRIGGER line_frozen BEFORE INSERT OR UPDATE OR DELETE ON billing_statementline
    FOR EACH ROW EXECUTE FUNCTION billing_line_frozen();
"""
MELT = """
DROP TRIGGER IF EXISTS statement_frozen ON billing_statement;
DROP TRIGGER IF EXISTS line_frozen ON billing_statementline;
DROP FUNCTION IF EXISTS billing_frozen; DROP FUNCTION IF EXISTS billing_line_frozen;
"""
TRIGGER = """
CREATE TRIGGER {name} BEFORE {verb} ON {table} WHEN {condition}
BEGIN SELECT RAISE(ABORT, 'an issued statement never changes'); END
"""
ISSUED = "EXISTS (SELECT 1 FROM billing_statement WHERE status = 'ISSUED' AND id IN ({}))"
SQLITE = {
    "statement_update": ("UPDATE", "billing_statement", "OLD.status = 'ISSUED'"),
    "statement_delete": ("DELETE", "billing_statement", "OLD.status = 'ISSUED'"),
    "line_insert": ("INSERT", "billing_statementline", ISSUED.format("NEW.statement_id")),
    "line_update": ("UPDATE", "billing_statementline", ISSUED.format("OLD.statement_id, NEW.statement_id")),
    "line_delete": ("DELETE", "billing_statementline", ISSUED.format("OLD.statement_id")),
}


def freeze(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRESQL, params=None)
        return
    for name, (verb, table, condition) in SQLITE.items():
        text = TRIGGER.format(name=f"billing_{name}_frozen", verb=verb, table=table, condition=condition)
        schema_editor.execute(text, params=None)


def melt(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(MELT, params=None)
        return
    for name in SQLITE:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS billing_{name}_frozen")


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_statements")]
    operations = [migrations.RunPython(freeze, melt)]
