"""The admin of enrolment keys."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backends.admin.forms import EnrolmentForm
from backends.models import EnrolmentKey
from backends.services.enrolment import create_enrolment_key
from core.admin import Secret, ServiceAdmin, badge, link_column, time_ago
from core.crypto import digest
from events.admin import actor_of

KEY_NOTE = _(
    "Put it into a file on the new node and start its agent with --enrolment-key-file. "
    "It is stored as a digest and cannot be shown again."
)


@admin.register(EnrolmentKey)
class EnrolmentKeyAdmin(ServiceAdmin):
    """Enrolment keys; the key itself is shown once."""

    comes_from = _("With an enrolment key the agent of a new node enrols it, once.")
    form = EnrolmentForm
    list_display = ("__str__", "group", "created", "expires_at", "state_column", "node")
    list_filter = ("group",)
    list_select_related = ("group", "used_by")
    ordering = ("-id",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = ("group", "hours") if obj is None else ("group", "created_at", "expires_at", "state_column", "node")
        return ((None, {"fields": fields}),)

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> tuple[EnrolmentKey, Secret]:
        valid_for = timedelta(hours=data["hours"])
        key = create_enrolment_key(group=data["group"], actor=actor_of(request), valid_for=valid_for)
        return EnrolmentKey.objects.get(key_digest=digest(key)), Secret(_("Enrolment key"), key, KEY_NOTE)

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, row: EnrolmentKey) -> SafeString | str:
        return time_ago(row.created_at)

    @admin.display(description=_("state"))
    def state_column(self, row: EnrolmentKey) -> SafeString:
        if row.used_by_id:
            return badge(_("used"), "success")
        return badge(_("valid"), "info") if row.expires_at > timezone.now() else badge(_("expired"))

    node = link_column("used_by", _("used by"))
