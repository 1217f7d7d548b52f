"""The admin of tags."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import ServiceAdmin, confirmed, fields_of, link
from events.actor import Actor
from events.admin import actor_of, event_table
from inventory.admin.formatting import tag_badge
from inventory.models import Tag
from inventory.services import create_tag, delete_tag, update_tag


@admin.register(Tag)
class TagAdmin(ServiceAdmin):
    """Tags, and how many nodes have each."""

    comes_from = _("Add a tag, or put one on a node.")
    list_display = ("name", "tag_column", "nodes_column", "description")
    search_fields = ("name", "description")
    search_help_text = _("Name or description")
    ordering = ("key",)
    fields = ("name", "colour", "description")
    actions = ("delete",)
    actions_detail = ("delete",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tag]:
        live = Count("backends", filter=Q(backends__deleted_at__isnull=True))
        tags: QuerySet[Tag] = super().get_queryset(request).annotate(nodes=live)
        return tags

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> Tag:
        return create_tag(actor=actor_of(request), **fields_of(data, "name", "colour", "description"))

    def update_row(self, request: HttpRequest, row: Tag, changes: dict[str, Any]) -> None:
        update_tag(row, actor=actor_of(request), **changes)

    @confirmed(_("Delete"), explanation=_("The tag leaves all nodes that have it."), icon="delete", dangerous=True)
    def delete(self, actor: Actor, row: Tag, _data: dict[str, Any]) -> None:
        delete_tag(row, actor=actor)

    @admin.display(description=_("tag"))
    def tag_column(self, row: Tag) -> SafeString:
        return tag_badge(row)

    @admin.display(description=_("nodes"), ordering="nodes")
    def nodes_column(self, row: Any) -> SafeString:
        address = reverse("admin:backends_backend_changelist")
        return link(f"{address}?{urlencode({'tag': row.name})}", row.nodes)

    def tables(self, request: HttpRequest, row: Tag) -> Any:
        yield event_table(f"tag/{row.pk}")
