"""Formats of values on every page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from core.errors import Message
from core.signs import NOTHING

CHIP = "inline-block font-semibold rounded-default text-[11px] uppercase whitespace-nowrap h-6 leading-6 px-2 "
STATUS_COLOURS = {
    "": "bg-base-500/8 text-base-700 dark:bg-base-500/20 dark:text-base-200",
    "info": "bg-blue-100 text-blue-700 dark:bg-blue-500/20 dark:text-blue-400",
    "danger": "bg-red-100 text-red-700 dark:bg-red-500/20 dark:text-red-400",
    "warning": "bg-orange-100 text-orange-700 dark:bg-orange-500/20 dark:text-orange-400",
    "success": "bg-green-100 text-green-700 dark:bg-green-500/20 dark:text-green-400",
}
LINK = "text-primary-600 dark:text-primary-500 hover:underline"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that belong to the object of a page; `more` is the address of all of them, `note` a sentence below them.

    They stand below the form of the page, or above it.
    """

    title: Message
    headers: Sequence[Message]
    rows: Sequence[Sequence[object]]
    more: str = ""
    above: bool = False
    note: Message = ""

    @property
    def table(self) -> dict[str, object]:
        """Return the table as unfold's component takes it."""
        return {"headers": self.headers, "rows": self.rows}


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that one page shows, once."""

    label: Message
    value: str = field(repr=False)
    note: Message = ""


def badge(text: object, colour: str = "") -> SafeString:
    """Return a state as a coloured label; the text alone is enough to understand it."""
    return format_html('<span class="{}">{}</span>', CHIP + STATUS_COLOURS[colour], text)


def link(address: str, text: object) -> SafeString:
    """Return a text as a link to an address."""
    return format_html('<a class="{}" href="{}">{}</a>', LINK, address, text)


def link_to(row: Model | None, text: object = None) -> SafeString | str:
    """Return a row's name as a link to its page."""
    if row is None:
        return NOTHING
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return link(address, row if text is None else text)


def exact_time(at: datetime | None) -> SafeString | str:
    """Return a time to the second, in the time zone of the installation."""
    if at is None:
        return NOTHING
    return format_html('<span class="whitespace-nowrap">{}</span>', f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}")


def time_ago(at: datetime | None) -> SafeString | str:
    """Return how long ago something was, with the exact time as a tooltip."""
    if at is None:
        return NOTHING
    exact = f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"
    return format_html('<span title="{}">{}</span>', exact, _("%(time)s ago") % {"time": timesince(at, depth=1)})


def link_column(
    name: str, title: Any, *, ordering: str | None = None, text: Callable[[Any], object] | None = None
) -> Callable[[Any, Any], SafeString | str]:
    """Return a column that shows what a field of the row refers to, leading to its page; `text` instead of its name."""

    @admin.display(description=title, ordering=ordering)
    def column(_admin: Any, row: Any) -> SafeString | str:
        target = getattr(row, name)
        return link_to(target, text(row) if text and target is not None else None)

    return column
