from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0006_typed_subjects"),
    ]

    operations = [
        migrations.RemoveField(model_name="alert", name="subject"),
        migrations.RemoveField(model_name="alert", name="content"),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                condition=models.Q(("cleared_at__isnull", True)),
                fields=("category", "subject_kind", "subject_id"),
                name="alert_one_open",
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(fields=["subject_kind", "subject_id", "-id"], name="alert_subject"),
        ),
    ]
