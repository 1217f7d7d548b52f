from django.db import migrations, models

import core.crypto

# No model: emptying it with the other tables would lose what the triggers have counted.
TALLY = """
CREATE TABLE answers_tally (
    name varchar(63) NOT NULL, writer integer NOT NULL, stamp varchar(36) NOT NULL, rows bigint NOT NULL,
    PRIMARY KEY (name, writer)
)
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="KeptAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("operator_id", models.BigIntegerField(verbose_name="administrator")),
                ("key", models.CharField(max_length=255, verbose_name="key")),
                ("fingerprint", models.CharField(help_text="Of address and parameters, keyed.", max_length=64)),
                ("status", models.PositiveSmallIntegerField(default=0, verbose_name="status")),
                ("body", core.crypto.EncryptedField(blank=True, verbose_name="body")),
                ("kept_at", models.DateTimeField(verbose_name="kept since")),
            ],
            options={
                "verbose_name": "kept answer",
                "verbose_name_plural": "kept answers",
                "indexes": [models.Index(fields=["kept_at"], name="kept_answer_age")],
                "constraints": [models.UniqueConstraint(fields=("operator_id", "key"), name="kept_answer_key")],
            },
        ),
        migrations.RunSQL(TALLY, "DROP TABLE answers_tally"),
    ]
