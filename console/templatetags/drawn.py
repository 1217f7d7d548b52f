"""The rows of an admin list, rendered column by column: unfold's own tag builds all headers again for every row."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from django import template
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.templatetags.base import InclusionAdminNode
from django.contrib.admin.utils import lookup_field
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db.models import DateField, ForeignKey, Model, TimeField
from django.utils.html import conditional_escape, escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.admin import checkbox
from unfold.templatetags import unfold_list as untyped
from unfold.utils import display_for_field, display_for_value

from core.signs import NOTHING

unfold_list: Any = untyped
register = template.Library()

LINK = SafeString(f'<a href="{{}}" class="{" ".join(unfold_list.LINK_CLASSES)}"{{}}>{{}}</a>')
PLACEHOLDER = "0123456789"  # a placeholder for an id
UNBROKEN = (DateField, TimeField, ForeignKey)  # shown without line breaks
Draw = Callable[[Model], str]


def drawn_list(context: Mapping[str, Any], cl: Any) -> dict[str, Any]:
    """Return the context of a list: its headers, and the HTML of the cells of each row."""
    headers = list(unfold_list.result_headers(cl))
    return {
        "cl": cl,
        "result_headers": headers,
        "num_sorted_fields": sum(1 for header in headers if header["sortable"] and header["sorted"]),
        "results": list(_rows(cl, headers)),
        "has_add_permission": cl.model_admin.has_add_permission(context["request"]),
    }


@register.tag("drawn_list")
def drawn_list_tag(parser: template.base.Parser, token: template.base.Token) -> InclusionAdminNode:
    """Return the node that renders the list of a page."""
    node: Any = InclusionAdminNode  # whose stubs are of a later Django
    return node(parser, token, func=drawn_list, template_name="drawn_results.html")  # type: ignore[no-any-return]


def _rows(cl: Any, headers: list[dict[str, Any]]) -> Iterator[SafeString]:
    linked = cl.list_display_links
    first = next((name for name in cl.list_display if linked is not None and (not linked or name in linked)), None)
    columns = [_column(cl, *numbered, headers, first) for numbered in enumerate(cl.list_display)]
    for row in cl.result_list:
        yield SafeString("".join([draw(row) for draw in columns]))


def _column(cl: Any, number: int, name: Any, headers: list[dict[str, Any]], first: str | None) -> Draw:
    if name == "action_checkbox":
        return _boxes()
    tag = "th" if name == first else "td"
    label = headers[number]["text"] if number else gettext("Select record")
    opening = format_html('<{} class="{}" data-label="{}">', tag, _classes(cl, number, name), label)
    blank = SafeString(f"{opening[:-1]} data-none>")  # phones leave such a line out
    nothing = {"", NOTHING, str(cl.model_admin.get_empty_value_display())}
    link = _link(cl) if name == first or name in (cl.list_display_links or ()) else None

    def draw(row: Model) -> str:
        text = _value_text(cl.model_admin, name, row)
        if link:
            return f"{opening}{link(row, text)}</{tag}>"
        return f"{blank if text in nothing else opening}{text}</{tag}>"

    return draw


def _boxes() -> Draw:
    """Return the function that renders the checkbox of a row: it is rendered once, then only the id changes."""
    box = checkbox.render(ACTION_CHECKBOX_NAME, PLACEHOLDER)
    label = gettext("Select record")
    cell = format_html('<td class="{}" data-label="{}">{}</td>', " ".join(unfold_list.CHECKBOX_CLASSES), label, box)
    before, after = cell.split(PLACEHOLDER)
    return lambda row: f"{before}{escape(row.pk)}{after}"


def _classes(cl: Any, number: int, name: Any) -> str:
    word = unfold_list._coerce_field_name(name, number)
    with suppress(FieldDoesNotExist):
        if isinstance(cl.lookup_opts.get_field(word), UNBROKEN):
            return " ".join([f"field-{word}", *unfold_list.ROW_CLASSES, "nowrap"])
    return " ".join([f"field-{word}", *unfold_list.ROW_CLASSES])


def _value_text(model_admin: Any, name: Any, row: Model) -> SafeString:
    """Return a value as the admin shows it: by its field, or by the function of a column."""
    empty = model_admin.get_empty_value_display()
    try:
        field, attr, value = lookup_field(name, row, model_admin)
    except ObjectDoesNotExist:
        return conditional_escape(empty)
    empty = getattr(attr, "empty_value_display", empty)
    if field is None or field.auto_created:
        return conditional_escape(display_for_value(value, empty, getattr(attr, "boolean", False)))
    if field.many_to_one:
        value = getattr(row, field.name)
        return conditional_escape(empty if value is None else value)
    return conditional_escape(display_for_field(value, field, empty))


def _link(cl: Any) -> Callable[[Model, SafeString], SafeString]:
    """Return the function that links text to the page of a row, which links back to the list with its filters."""
    parameters = {"preserved_filters": cl.preserved_filters, "opts": cl.opts}
    back: list[str] = []  # the same for every row

    def link(row: Model, text: SafeString) -> SafeString:
        url = cl.url_for_result(row)
        if not back:
            back.append(add_preserved_filters(parameters, url)[len(url) :])
        pk = row.serializable_value(cl.to_field or cl.lookup_opts.pk.attname)
        opener = format_html(' data-popup-opener="{}"', pk) if cl.is_popup else ""
        return format_html(LINK, url + back[0], opener, text)

    return link
