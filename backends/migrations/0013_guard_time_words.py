from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("backends", "0012_device_drained"),
    ]

    operations = [
        migrations.AlterField(
            model_name="backendgroup",
            name="guard_s",
            field=models.PositiveIntegerField(
                default=3600,
                help_text="Backfill: when a job has been at the head of the queue for so long, devices are reserved for it.",
                verbose_name="guard time (s)",
            ),
        ),
    ]
