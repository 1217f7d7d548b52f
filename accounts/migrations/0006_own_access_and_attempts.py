from typing import Any

from django.db import migrations, models
from django.db.migrations.recorder import MigrationRecorder


class TakeOver(migrations.CreateModel):
    """Create a model, and its table if the version before has not created it."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        table = to_state.apps.get_model(app_label, self.name)._meta.db_table
        if table not in schema_editor.connection.introspection.table_names():
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        applied = MigrationRecorder(schema_editor.connection).applied_migrations()
        if not any(app == "axes" for app, _name in applied):
            super().database_backwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):
    """Count log-in attempts in the table of django-axes, which processes of version 0.1.0 may use at the same time.

    The other tables of django-axes are empty; they stay for processes of version 0.1.0 (ADR 25).
    """

    dependencies = [
        ("accounts", "0005_login_backends"),
    ]

    operations = [
        migrations.AlterField(
            model_name="accesstoken",
            name="token_key",
            field=models.CharField(db_index=True, default="", editable=False, max_length=25),
        ),
        TakeOver(
            name="AccessAttempt",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("user_agent", models.CharField(db_index=True, default="", editable=False, max_length=255)),
                ("ip_address", models.GenericIPAddressField(db_index=True, null=True)),
                ("username", models.CharField(db_index=True, max_length=255, null=True)),
                ("http_accept", models.CharField(default="", editable=False, max_length=1025)),
                ("path_info", models.CharField(default="", editable=False, max_length=255)),
                ("attempt_time", models.DateTimeField(auto_now_add=True)),
                ("get_data", models.TextField(default="", editable=False)),
                ("post_data", models.TextField(default="", editable=False)),
                ("failures_since_start", models.PositiveIntegerField()),
            ],
            options={
                "db_table": "axes_accessattempt",
                "unique_together": {("username", "ip_address", "user_agent")},
            },
        ),
    ]
