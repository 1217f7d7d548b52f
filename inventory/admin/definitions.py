"""The admin of the definitions of custom fields."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from core.admin import ConfirmForm, RowForm, ServiceAdmin, Tombstones, confirmed
from core.admin.actions import force_field
from events.actor import Actor
from events.admin import actor_of, event_table
from inventory.models import CustomField
from inventory.services import create_custom_field, delete_custom_field, update_custom_field


class ChoicesField(forms.CharField):
    """Choices, one in each line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        """Return the choices as lines."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the lines that are not empty."""
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether the choices differ."""
        return bool(self.to_python(self.prepare_value(initial)) != self.to_python(data))


class CustomFieldForm(RowForm):
    """A definition; noun and name are asked for only once."""

    choices = ChoicesField(
        label=_("Choices"), required=False, strip=False, help_text=_("One in each line, for the kind “choice”.")
    )

    class Meta:
        model = CustomField
        fields = (
            *("noun", "name", "label", "description", "kind", "choices"),
            *("required", "in_lists", "index"),
        )


class DeleteFieldForm(ConfirmForm):
    """The confirmation of a deletion."""

    force = force_field(
        _("Even if objects have values"),
        _("Their values are no longer shown. Otherwise a custom field with values is not deleted."),
    )


@admin.register(CustomField)
class CustomFieldAdmin(ServiceAdmin):
    """Definitions of custom fields."""

    comes_from = _("A custom field adds what you want to know about nodes, backend groups, tokens or SDA models.")
    form = CustomFieldForm
    list_display = ("name", "noun", "label", "kind", "required", "in_lists", "index", "description")
    list_filter = (Tombstones, "noun", "kind")
    search_fields = ("name", "label", "description")
    search_help_text = _("Name, label or description")
    ordering = ("noun", "index", "id")
    wire_names = {"inLists": "in_lists"}
    actions = ("delete",)
    actions_detail = ("delete",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        own = (("noun", "name"), "label", "description", "kind", "choices")
        return ((None, {"fields": own}), (_("Use"), {"fields": ("required", "in_lists", "index")}))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("noun", "name")  # files and programs use them

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> CustomField:
        return create_custom_field(actor=actor_of(request), **data)

    def update_row(self, request: HttpRequest, row: CustomField, changes: dict[str, Any]) -> None:
        update_custom_field(row, actor=actor_of(request), **changes)

    @confirmed(
        _("Delete"),
        explanation=_("No page, file or program shows the custom field any more. Its name may be used again."),
        form=DeleteFieldForm,
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: CustomField, data: dict[str, Any]) -> None:
        delete_custom_field(row, actor=actor, force=data["force"])

    def tables(self, request: HttpRequest, row: CustomField) -> Any:
        yield event_table(f"customfield/{row.pk}")
