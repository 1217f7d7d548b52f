"""Repairs in the console."""

import pytest
from django.test import Client

from accounts.choices import Role
from backends.models import Backend
from remediation.models import Repair
from tests import make
from tests.admin_world import address, client_of
from tests.backends.test_admin import on_page
from tests.remediation.site import allow, faulty, look, settle

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


def test_the_list_and_the_pages_show_what_is_in_repair_and_its_timeline(browser: Client) -> None:
    allow(repair_reset=True)
    node = make.ready_backend(2, name="gpu-7")
    repair = faulty(node)
    settle(node, ok=False, error="in use by <another> client")
    look(repair)
    shown = {
        "list": browser.get(address(Repair, "changelist")).content.decode(),
        "page": browser.get(address(Repair, "change", repair.pk)).content.decode(),
        "node": browser.get(address(Backend, "change", node.pk)).content.decode(),
    }
    assert "no remedy is allowed that has not been tried" in shown["list"]
    assert "in use by &lt;another&gt; client" in shown["page"]
    assert "reset devices (failed)" in shown["node"]
    assert "gpu-7" not in browser.get(address(Repair, "changelist") + "?over=yes").content.decode()


def test_operators_act_on_the_page_of_a_repair(browser: Client) -> None:
    node = make.ready_backend(2)
    on_page(browser, node, "open_repair", devices="1", reason="strange noise")
    repair = Repair.objects.get()
    for action, state in {"take_over": "TAKEN_OVER", "need_hands": "NEEDS_HANDS", "validate": "VALIDATION"}.items():
        on_page(browser, repair, action)
        repair.refresh_from_db()
        assert repair.state == state
    on_page(browser, repair, "take_over")
    on_page(browser, repair, "bring_back", reason="reseated")
    repair.refresh_from_db()
    assert (repair.state, make.orders(node).get().verb) == ("RETURNED", "CLEAN")


def test_a_group_is_set_in_its_form(browser: Client) -> None:
    group = make.default_group()
    page = address(type(group), "change", group.pk)
    form = browser.get(page).context["adminform"].form
    data = {name: value for name, value in form.initial.items() if value is not None and value is not False}
    assert browser.post(page, {**data, "repair_reset": "on", "repair_percent": "0"}).status_code == 200
    done = browser.post(page, {**data, "repair_reset": "on", "repair_percent": "25"})
    assert done.status_code == 302, done.context["adminform"].form.errors
    group.refresh_from_db()
    assert (group.repair_reset, group.repair_percent, group.repair_reboot) == (True, 25, False)
