from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

FORBID = """
CREATE EXTENSION IF NOT EXISTS btree_gist;
ALTER TABLE scheduler_allocation ADD CONSTRAINT allocation_no_overlap
    EXCLUDE USING gist (device_id WITH =, tstzrange(started_at, ended_at) WITH &&);
"""


def forbid_overlap(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Let PostgreSQL refuse two allocations of one device at one instant, also in the past."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FORBID)


def allow_overlap(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE scheduler_allocation DROP CONSTRAINT allocation_no_overlap")


class Migration(migrations.Migration):
    dependencies = [("scheduler", "0001_initial")]
    operations = [migrations.RunPython(forbid_overlap, allow_overlap)]
