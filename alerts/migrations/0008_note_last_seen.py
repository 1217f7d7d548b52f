from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0007_typed_subjects_only"),
    ]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="last_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="cause last seen"),
        ),
        migrations.AddField(
            model_name="alert",
            name="note",
            field=models.CharField(blank=True, db_default="", default="", max_length=512, verbose_name="note"),
        ),
    ]
