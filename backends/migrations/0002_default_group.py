from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

DEFAULT_GROUP = 0


def make_default_group(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    groups = apps.get_model("backends", "BackendGroup").objects.using(schema_editor.connection.alias)
    groups.get_or_create(pk=DEFAULT_GROUP, defaults={"name": "default_backend_group"})


class Migration(migrations.Migration):
    dependencies = [("backends", "0001_initial")]
    operations = [migrations.RunPython(make_default_group, migrations.RunPython.noop)]
