"""Rules no longer name channels that are deleted."""

from typing import Any

from django.db import migrations


def forget(apps: Any, _editor: Any) -> None:
    """Take deleted channels from the rules."""
    rule = apps.get_model("notifications", "Rule")
    rule.channels.through.objects.filter(channel__deleted_at__isnull=False).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0001_initial"),
        ("outbox", "0002_old_secret"),
    ]

    operations = [migrations.RunPython(forget, migrations.RunPython.noop)]
