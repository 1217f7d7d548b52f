from typing import Any

from django.db import migrations, models


def close_again(apps: Any, _schema: Any) -> None:
    """Forget every roll-up: beat closes the hours again, from the allocations, with all that they hold now."""
    for name in ("UsageHour", "ClosedHour"):
        apps.get_model("usage", name).objects.all().delete()


def lowest() -> Any:
    return models.PositiveIntegerField(
        default=0, verbose_name="minimum", help_text="Devices held at once, at the least."
    )


def highest() -> Any:
    return models.PositiveIntegerField(
        default=0, verbose_name="maximum", help_text="Devices held at once, at the most."
    )


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0001_initial"),
    ]

    operations = [
        migrations.RunPython(close_again, migrations.RunPython.noop),
        migrations.AddField("closedhour", "minimum", lowest(), preserve_default=False),
        migrations.AddField("closedhour", "maximum", highest(), preserve_default=False),
        migrations.AddField("usagehour", "minimum", lowest(), preserve_default=False),
        migrations.AddField("usagehour", "maximum", highest(), preserve_default=False),
    ]
