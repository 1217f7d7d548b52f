"""Fields of jobs get other names; their columns, and so the tables and what older processes write, stay."""

from django.db import migrations, models
from django.db.models import F, Q

QUEUE = models.Index(
    F("group"),
    F("priority").desc(),
    F("fair_rank"),
    F("requested_at"),
    F("id"),
    condition=Q(status="WAITING"),
    name="job_queue",
)


class Migration(migrations.Migration):
    dependencies = [("scheduler", "0015_open_choices")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveIndex(model_name="job", name="job_queue"),
                migrations.RemoveIndex(model_name="job", name="job_leaving"),
                migrations.RenameField(model_name="job", old_name="turn", new_name="fair_rank"),
                migrations.RenameField(model_name="job", old_name="leaves_at", new_name="preempt_at"),
                migrations.RenameField(model_name="job", old_name="leaves_for", new_name="preempted_by"),
                migrations.AlterField(
                    model_name="job",
                    name="fair_rank",
                    field=models.PositiveIntegerField(
                        db_column="turn",
                        default=0,
                        help_text="Its place among its priority where the policy is fair; 0 elsewhere.",
                    ),
                ),
                migrations.AlterField(
                    model_name="job",
                    name="preempt_at",
                    field=models.DateTimeField(db_column="leaves_at", null=True, verbose_name="preempted at"),
                ),
                migrations.AlterField(
                    model_name="job",
                    name="preempted_by",
                    field=models.BigIntegerField(
                        db_column="leaves_for",
                        default=0,
                        help_text="The job that gets the devices.",
                        verbose_name="preempted for",
                    ),
                ),
                migrations.AddIndex(model_name="job", index=QUEUE),
                migrations.AddIndex(
                    model_name="job",
                    index=models.Index(
                        condition=Q(preempt_at__isnull=False), fields=["preempt_at"], name="job_leaving"
                    ),
                ),
            ],
        )
    ]
