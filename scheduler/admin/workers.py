"""Workers of jobs, and the queues of backend groups, in the admin."""

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import GrowingAdmin, badge, link_column
from scheduler.admin.badge_colours import WORKER
from scheduler.models import Queue, Worker


@admin.register(Worker)
class WorkerAdmin(GrowingAdmin):
    """Workers, to read."""

    list_display = ("id", "job_link", "attempt", "backend_link", "devices", "state_column", "address", "error")
    list_filter = ("state",)
    list_select_related = ("job", "backend")
    search_fields = ("job__id__exact", "backend__name")
    search_help_text = _("Number of the job, or name of the backend")
    ordering = ("-id",)
    fields = ("job_link", "attempt", "backend_link", "devices", "state_column", "address", "error")
    readonly_fields = ("job_link", "backend_link", "state_column")

    job_link = link_column("job", _("job"), ordering="job", text=lambda row: f"#{row.job_id}")
    backend_link = link_column("backend", _("backend"), ordering="backend__name")

    @admin.display(description=_("state"), ordering="state")
    def state_column(self, row: Worker) -> SafeString:
        return badge(row.get_state_display(), WORKER[row.state])


@admin.register(Queue)
class QueueAdmin(GrowingAdmin):
    """Queues with their lease, to read."""

    list_display = ("group_column", "epoch", "ticked_at", "wanted", "lease_until")
    list_select_related = ("group",)
    fields = ("group_link", "epoch", "ticked_at", "wanted", "lease_until")
    readonly_fields = ("group_link",)

    @admin.display(description=_("backend group"), ordering="group")
    def group_column(self, row: Queue) -> str:
        return str(row.group)

    group_link = link_column("group", _("backend group"))
