"""Schedules of the background tasks, as Celery beat keeps them. The settings decide them; here they are looked at."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from moreh_cloud.lib.admin import ServiceAdmin, ago

admin.site.unregister([ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule])


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ServiceAdmin):
    list_display = ("name", "schedule_text", "enabled", "last", "total_run_count")
    list_select_related = ("interval", "crontab", "solar", "clocked")
    search_fields = ("name", "task")
    ordering = ("name",)
    fields = ("name", "task", "schedule_text", "enabled", "last_run_at", "total_run_count", "description")
    readonly_fields = ("schedule_text",)

    @admin.display(description=_("schedule"))
    def schedule_text(self, row: PeriodicTask) -> str:
        return str(row.scheduler)

    @admin.display(description=_("last run"), ordering="last_run_at")
    def last(self, row: PeriodicTask) -> str:
        return ago(row.last_run_at)
