"""Subjects become kind and id, and texts become a code with parameters.

What was stored before keeps its text, in the language that it was written in, as the parameter of the code LEGACY. The
rows are rewritten in one statement: alerts are few, and nobody waits for a closed one.
"""

from typing import Any

from django.db import migrations, models
from django.db.models import BigIntegerField, F, Value
from django.db.models.functions import Cast, JSONObject, Left, StrIndex, Substr

import alerts.choices


def split(apps: Any, _schema_editor: Any) -> None:
    """Split subjects like "backend/12"; one that is not of this form is about the installation."""
    alert = apps.get_model("alerts", "Alert")
    slash = StrIndex("subject", Value("/"))
    alert.objects.filter(subject__regex=r"^[a-z]+/[0-9]{1,18}$").update(
        subject_kind=Left("subject", slash - 1), subject_id=Cast(Substr("subject", slash + 1), BigIntegerField())
    )
    alert.objects.filter(subject_kind="").update(subject_kind="system", subject_id=F("id"))
    alert.objects.update(params=JSONObject(content=F("content")))


def join(apps: Any, _schema_editor: Any) -> None:
    """Join subjects again; a text that was made of a code is not made again."""
    from django.db.models.fields.json import KT
    from django.db.models.functions import Coalesce, Concat

    alert = apps.get_model("alerts", "Alert")
    number = Cast("subject_id", models.CharField(max_length=20))
    alert.objects.update(
        subject=Concat("subject_kind", Value("/"), number), content=Coalesce(KT("params__content"), F("code"))
    )


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0005_open_choices"),
    ]

    operations = [
        migrations.AddField(
            model_name="alert",
            name="subject_kind",
            field=models.CharField(
                choices=alerts.choices.subject_kinds, default="", max_length=32, verbose_name="subject"
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="alert",
            name="subject_id",
            field=models.BigIntegerField(default=0, verbose_name="id of the subject"),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="alert",
            name="code",
            field=models.CharField(default="LEGACY", max_length=32, verbose_name="code"),
        ),
        migrations.AddField(
            model_name="alert",
            name="params",
            field=models.JSONField(blank=True, default=dict, verbose_name="parameters"),
        ),
        migrations.RemoveConstraint(model_name="alert", name="alert_one_open"),
        migrations.AlterField(model_name="alert", name="subject", field=models.CharField(default="", max_length=64)),
        migrations.AlterField(model_name="alert", name="content", field=models.TextField(default="")),
        migrations.RunPython(split, join),
    ]
