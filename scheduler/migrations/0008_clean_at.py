from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F, Q

# As `allocation_span`: rows lie in the order of time, so a few pages of summary find what was cleaned in a range.
SUMMARIZE = """
CREATE INDEX allocation_cleaning ON scheduler_allocation
    USING brin (ended_at, clean_at) WITH (pages_per_range = 16, autosummarize = on)
"""


def note(apps: Apps, _schema: BaseDatabaseSchemaEditor) -> None:
    """Nobody knows how long devices were cleaned before this was written down: say that it took no time."""
    ended = apps.get_model("scheduler", "Allocation").objects.filter(ended_at__isnull=False)
    ended.exclude(device__status="CLEANING").update(clean_at=F("ended_at"))


def summarize(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Let PostgreSQL find what was cleaned in any range of time."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(SUMMARIZE)


def forget(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX allocation_cleaning")


class Migration(migrations.Migration):
    dependencies = [
        ("backends", "0007_births"),
        ("scheduler", "0007_billed_as"),
        ("sda", "0001_initial"),
        ("tokens", "0002_policies"),
    ]

    operations = [
        migrations.AddField(
            model_name="allocation",
            name="clean_at",
            field=models.DateTimeField(
                help_text="When its device was no longer being cleaned.", null=True, verbose_name="clean"
            ),
        ),
        migrations.RunPython(note, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="allocation",
            index=models.Index(
                condition=Q(ended_at__isnull=False, clean_at__isnull=True),
                fields=["device"],
                name="allocation_unclean",
            ),
        ),
        migrations.RunPython(summarize, forget),
    ]
