"""How tags look on pages."""

from collections.abc import Iterable

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core.admin.formatting import CHIP, STATUS_COLOURS
from inventory.models import Tag

AS_WRITTEN = CHIP.replace("uppercase ", "")


def tag_badge(tag: Tag) -> SafeString:
    """Return a tag as a label in its colour, its name as it is written."""
    return format_html('<span class="{}">{}</span>', AS_WRITTEN + STATUS_COLOURS[tag.colour], tag.name)


def tag_badges(tags: Iterable[Tag]) -> SafeString:
    """Return tags beside each other."""
    return format_html_join(" ", "{}", ((tag_badge(tag),) for tag in tags))
