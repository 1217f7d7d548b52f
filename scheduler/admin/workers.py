from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.admin import GrowingAdmin, badge, link_to
from scheduler.admin.tones import WORKER
from scheduler.models import Queue, Worker


@admin.register(Worker)
class WorkerAdmin(GrowingAdmin):
    list_display = ("id", "job_link", "attempt", "backend_link", "devices", "shown_state", "address", "error")
    list_filter = ("state",)
    list_select_related = ("job", "backend")
    search_fields = ("job__id__exact", "backend__name")
    search_help_text = _("Number of the job, or name of the backend")
    ordering = ("-id",)
    fields = ("job_link", "attempt", "backend_link", "devices", "shown_state", "address", "error")
    readonly_fields = ("job_link", "backend_link", "shown_state")

    @admin.display(description=_("job"), ordering="job")
    def job_link(self, row: Worker) -> SafeString | str:
        return link_to(row.job, f"#{row.job_id}")

    @admin.display(description=_("backend"), ordering="backend__name")
    def backend_link(self, row: Worker) -> SafeString | str:
        return link_to(row.backend)

    @admin.display(description=_("state"), ordering="state")
    def shown_state(self, row: Worker) -> SafeString:
        return badge(row.get_state_display(), WORKER[row.state])


@admin.register(Queue)
class QueueAdmin(GrowingAdmin):
    list_display = ("shown_group", "epoch", "ticked_at", "wanted", "lease_until")
    list_select_related = ("group",)
    fields = ("group_link", "epoch", "ticked_at", "wanted", "lease_until")
    readonly_fields = ("group_link",)

    @admin.display(description=_("backend group"), ordering="group")
    def shown_group(self, row: Queue) -> str:
        return str(row.group)

    @admin.display(description=_("backend group"))
    def group_link(self, row: Queue) -> SafeString | str:
        return link_to(row.group)
