"""The rows of an admin list: each cell once, linked, escaped, and with what the admin shows of an empty value."""

import re

import pytest
from django.urls import reverse

from accounts.choices import Role
from backends.models import Backend
from core.signs import NOTHING
from tests import make
from tests.admin_world import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
CELL = re.compile(
    r'<(t[dh]) class="[^"]*?(field-\w+|action-checkbox)[^"]*" data-label="([^"]*)"(?: data-none)?>(.*?)</\1>', re.DOTALL
)


def cells(query: str = "") -> list[list[tuple[str, str, str, str]]]:
    page = client_of(Role.MASTER).get(reverse("admin:backends_backend_changelist") + query).content.decode()
    return [CELL.findall(row) for row in re.findall(r'<tr class="data-row.*?</tr>', page, re.DOTALL)]


def test_a_row_has_its_box_its_link_and_its_values_each_with_its_heading() -> None:
    node = make.backend(2)
    [row] = cells()
    assert [(tag, name) for tag, name, _label, _text in row[:2]] == [("td", "action-checkbox"), ("th", "field-name")]
    box, link = row[0][3], row[1][3]
    assert (f'value="{node.pk}"' in box, 'name="_selected_action"' in box, row[0][2]) == (True, True, "Select record")
    page = reverse("admin:backends_backend_change", args=[node.pk])
    assert re.fullmatch(rf'<a href="{page}" class="[^"]+">{node.name}</a>', link)
    assert row[1][2] == "name"
    assert '<span class="whitespace-nowrap">2 shut down</span>' in {text for *_rest, text in row}


def test_a_link_leads_back_to_the_list_as_it_is_filtered() -> None:
    node = make.backend(1)
    [row] = cells("?q=" + node.name)
    assert f"?_changelist_filters=q%3D{node.name}" in row[1][3]


def test_what_an_operator_typed_is_escaped() -> None:
    node = make.backend(1)
    Backend.objects.filter(pk=node.pk).update(name="<b>gpu</b>&1")
    [row] = cells()
    assert row[1][3].endswith(">&lt;b&gt;gpu&lt;/b&gt;&amp;1</a>")


def test_each_row_has_its_own_checkbox() -> None:
    nodes = sorted(make.backend(1).name for _ in range(3))
    assert [re.sub("<[^>]+>", "", row[1][3]) for row in cells()] == nodes
    boxes = [re.findall(r'value="(\d+)"', row[0][3]) for row in cells()]
    assert boxes == [[str(pk)] for pk in Backend.objects.order_by("name").values_list("pk", flat=True)]


def test_what_is_empty_is_marked_so_that_phones_leave_it_out() -> None:
    make.backend(1, name="gpu-1")
    page = client_of(Role.MASTER).get(reverse("admin:backends_backend_changelist")).content.decode()
    marked = re.findall(r'data-label="([^"]*)" data-none>(.*?)</td>', page)
    assert ("rack, tags", NOTHING) in marked
    assert {text for _label, text in marked} <= {"", "-", NOTHING}
    assert "name" not in {label for label, _text in marked}
