from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# PostgreSQL looks a foreign key up row by row, at the end of the transaction: three of them were a fifth of a tick.
# Here they are looked up in one statement for all rows that a statement writes. What they point at is never removed
# while it is pointed at, and is never changed.
REFERENCES = (
    ("scheduler_allocation", "job_id", "scheduler_job"),
    ("scheduler_allocation", "device_id", "backends_device"),
    ("scheduler_worker", "job_id", "scheduler_job"),
)
DROP = """
DO $$ DECLARE name text; BEGIN
    SELECT conname INTO STRICT name FROM pg_constraint
    WHERE contype = 'f' AND conrelid = '{child}'::regclass AND confrelid = '{parent}'::regclass;
    EXECUTE format('ALTER TABLE {child} DROP CONSTRAINT %I', name);
END $$
"""
KEEP = """
CREATE FUNCTION {child}_{column}_there() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added WHERE {column} IS NOT NULL
            AND NOT EXISTS (SELECT FROM {parent} AS parent WHERE parent.id = added.{column})
    ) THEN
        RAISE foreign_key_violation USING MESSAGE = '{column} of {child} is not in {parent}';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION {child}_{column}_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE foreign_key_violation USING MESSAGE = '{column} of {child} is never changed';
END $$;
CREATE FUNCTION {child}_{column}_needed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM {child} WHERE {column} = OLD.id) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a row of {child} points at this one of {parent}';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER {column}_there AFTER INSERT ON {child} REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION {child}_{column}_there();
CREATE TRIGGER {column}_stays BEFORE UPDATE OF {column} ON {child}
    FOR EACH ROW WHEN (OLD.{column} IS DISTINCT FROM NEW.{column}) EXECUTE FUNCTION {child}_{column}_stays();
CREATE TRIGGER {child}_needs BEFORE DELETE ON {parent}
    FOR EACH ROW EXECUTE FUNCTION {child}_{column}_needed();
"""
FORGET = """
DROP TRIGGER {column}_there ON {child}; DROP TRIGGER {column}_stays ON {child}; DROP TRIGGER {child}_needs ON {parent};
DROP FUNCTION {child}_{column}_there, {child}_{column}_stays, {child}_{column}_needed;
ALTER TABLE {child} ADD CONSTRAINT {child}_{column}_fk FOREIGN KEY ({column}) REFERENCES {parent}
    DEFERRABLE INITIALLY DEFERRED;
"""


def refer_in_bulk(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Let triggers do what the constraints did; models still say that these are foreign keys."""
    _run(schema_editor, DROP, KEEP)


def refer_by_row(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _run(schema_editor, FORGET)


def _run(schema_editor: BaseDatabaseSchemaEditor, *statements: str) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for child, column, parent in REFERENCES:
            for statement in statements:
                schema_editor.execute(statement.format(child=child, column=column, parent=parent), params=None)


class Migration(migrations.Migration):
    dependencies = [("backends", "0008_rooms_by_group"), ("scheduler", "0010_heartbeats_in_place")]
    operations = [migrations.RunPython(refer_in_bulk, refer_by_row)]
