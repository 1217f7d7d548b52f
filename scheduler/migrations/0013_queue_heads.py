from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("scheduler", "0012_unmeasured_use")]
    operations = [
        migrations.AddField(
            "queue",
            "heads",
            models.JSONField(default=dict, help_text="Since when waiting jobs have been at the head, in milliseconds."),
        ),
    ]
