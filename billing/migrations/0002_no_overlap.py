from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

FORBID = """
CREATE EXTENSION IF NOT EXISTS btree_gist;
ALTER TABLE billing_price ADD CONSTRAINT price_no_overlap EXCLUDE USING gist
    (coalesce(sda_model_id, 0) WITH =, device_model WITH =, daterange(valid_from, valid_until) WITH &&);
"""


def forbid_overlap(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Let PostgreSQL refuse two prices of the same thing on one day."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FORBID)


def allow_overlap(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE billing_price DROP CONSTRAINT price_no_overlap")


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]
    operations = [migrations.RunPython(forbid_overlap, allow_overlap)]
