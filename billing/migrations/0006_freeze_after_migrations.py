from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# What freezes statements is created after every migration now (billing/freeze.py); what migration 0004 created goes.
POSTGRESQL = """
DROP TRIGGER IF EXISTS statement_frozen ON billing_statement;
DROP TRIGGER IF EXISTS line_frozen ON billing_statementline;
DROP FUNCTION IF EXISTS billing_frozen; DROP FUNCTION IF EXISTS billing_line_frozen;
"""
SQLITE = ("statement_update", "statement_delete", "line_insert", "line_update", "line_delete")


def drop(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRESQL, params=None)
        return
    for name in SQLITE:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS billing_{name}_frozen")


class Migration(migrations.Migration):
    dependencies = [("billing", "0005_budgets")]
    operations = [migrations.RunPython(drop, migrations.RunPython.noop)]
