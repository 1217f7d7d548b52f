"""The inventory of nodes in the admin: columns of the list, and actions on tags and racks."""

from typing import Any

from django import forms
from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from backends.models import Backend
from backends.services.inventory import add_tag, remove_tag
from backends.services.nodes import update_backend
from core.admin import ConfirmForm, confirmed
from core.signs import NOTHING
from events.actor import Actor
from inventory.admin.formatting import tag_badges

INVENTORY = ("add_tag", "remove_tag", "set_rack")


class TagForm(ConfirmForm):
    """The name of one tag."""

    tag = forms.CharField(label=_("Tag"), max_length=64, widget=UnfoldAdminTextInputWidget)


class RackForm(ConfirmForm):
    """The rack of nodes."""

    rack = forms.CharField(
        label=_("Rack"),
        max_length=64,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Empty: the nodes are in no rack. The units of nodes that change their rack are emptied."),
    )


def place_text(row: Backend) -> str:
    """Return the rack and the unit of a node."""
    return f"{row.rack} · {row.unit}" if row.rack and row.unit else row.rack


class NodeInventoryActions:
    """Columns and actions of nodes."""

    @admin.display(description=_("rack, tags"), ordering="rack")
    def place_column(self, row: Backend) -> SafeString | str:
        both = format_html('<span class="whitespace-nowrap">{}</span> {}', place_text(row), tag_badges(row.tags.all()))
        return both if row.rack or row.tags.all() else NOTHING

    @confirmed(_("Add tag"), explanation=_("A tag that does not exist yet is created."), form=TagForm, icon="new_label")
    def add_tag(self, actor: Actor, row: Backend, data: dict[str, Any]) -> bool:
        return add_tag(row, data["tag"], actor=actor)

    @confirmed(_("Remove tag"), explanation=_("The tag itself stays."), form=TagForm, icon="label_off")
    def remove_tag(self, actor: Actor, row: Backend, data: dict[str, Any]) -> bool:
        return remove_tag(row, data["tag"], actor=actor)

    @confirmed(
        _("Set rack"), explanation=_("The nodes are recorded as being in this rack."), form=RackForm, icon="shelves"
    )
    def set_rack(self, actor: Actor, row: Backend, data: dict[str, Any]) -> bool:
        if row.rack == data["rack"]:
            return False
        update_backend(row, actor=actor, rack=data["rack"], unit=None)
        return True
