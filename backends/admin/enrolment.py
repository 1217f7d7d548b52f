from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backends.admin.forms import EnrolmentForm
from backends.models import EnrolmentKey
from backends.services.nodes import create_enrolment_key
from moreh_cloud.events.admin import actor_of
from moreh_cloud.lib.admin import Secret, ServiceAdmin, ago, badge, link_to
from moreh_cloud.lib.crypto import digest

KEY_NOTE = _("Give it to the new node's agent: it is stored as a digest and cannot be shown again.")


@admin.register(EnrolmentKey)
class EnrolmentKeyAdmin(ServiceAdmin):
    comes_from = _("With an enrolment key the agent of a new node makes itself known, once.")
    form = EnrolmentForm
    list_display = ("__str__", "group", "created", "expires_at", "shown_state", "node")
    list_filter = ("group",)
    list_select_related = ("group", "used_by")
    ordering = ("-id",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = ("group", "hours") if obj is None else ("group", "created_at", "expires_at", "shown_state", "node")
        return ((None, {"fields": fields}),)

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> tuple[EnrolmentKey, Secret]:
        valid_for = timedelta(hours=data["hours"])
        key = create_enrolment_key(group=data["group"], actor=actor_of(request), valid_for=valid_for)
        return EnrolmentKey.objects.get(key_digest=digest(key)), Secret(_("Enrolment key"), key, KEY_NOTE)

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, row: EnrolmentKey) -> SafeString | str:
        return ago(row.created_at)

    @admin.display(description=_("state"))
    def shown_state(self, row: EnrolmentKey) -> SafeString:
        if row.used_by_id:
            return badge(_("used"), "success")
        return badge(_("valid"), "info") if row.expires_at > timezone.now() else badge(_("expired"))

    @admin.display(description=_("used by"))
    def node(self, row: EnrolmentKey) -> SafeString | str:
        return link_to(row.used_by)
