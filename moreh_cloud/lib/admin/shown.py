"""How values look on every page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from moreh_cloud.lib.errors import Message

NOTHING = "–"  # noqa: RUF001 - the sign for "no value"
CHIP = "inline-block font-semibold rounded-default text-[11px] uppercase whitespace-nowrap h-6 leading-6 px-2 "
TONES = {
    "": "bg-base-500/8 text-base-700 dark:bg-base-500/20 dark:text-base-200",
    "info": "bg-blue-100 text-blue-700 dark:bg-blue-500/20 dark:text-blue-400",
    "danger": "bg-red-100 text-red-700 dark:bg-red-500/20 dark:text-red-400",
    "warning": "bg-orange-100 text-orange-700 dark:bg-orange-500/20 dark:text-orange-400",
    "success": "bg-green-100 text-green-700 dark:bg-green-500/20 dark:text-green-400",
}
LINK = "text-primary-600 dark:text-primary-500 hover:underline"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that belong to the object of a page; `more` is the address of all of them.

    They stand below the form of the page, or above it.
    """

    title: Message
    headers: Sequence[Message]
    rows: Sequence[Sequence[object]]
    more: str = ""
    above: bool = False

    @property
    def table(self) -> dict[str, object]:
        return {"headers": self.headers, "rows": self.rows}


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that one page shows, once."""

    label: Message
    value: str = field(repr=False)
    note: Message = ""


def badge(text: object, tone: str = "") -> SafeString:
    """Show a state as a coloured word; the word alone says it all."""
    return format_html('<span class="{}">{}</span>', CHIP + TONES[tone], text)


def link(address: str, text: object) -> SafeString:
    """Show a text that leads to an address."""
    return format_html('<a class="{}" href="{}">{}</a>', LINK, address, text)


def link_to(row: Model | None, text: object = None) -> SafeString | str:
    """Show a row's name, leading to its page."""
    if row is None:
        return NOTHING
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return link(address, row if text is None else text)


def exactly(at: datetime | None) -> SafeString | str:
    """Show a time to the second, in the time zone of the installation."""
    if at is None:
        return NOTHING
    return format_html('<span class="whitespace-nowrap">{}</span>', f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}")


def ago(at: datetime | None) -> SafeString | str:
    """Show how long ago something was, and the exact time on hovering."""
    if at is None:
        return NOTHING
    exact = f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"
    return format_html('<span title="{}">{}</span>', exact, _("%(time)s ago") % {"time": timesince(at, depth=1)})
