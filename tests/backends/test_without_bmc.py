"""A node without a BMC has no power actions, and a request for one is refused at once."""

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from accounts.choices import Role
from backends.models import Backend, PowerAction
from tests import make
from tests.admin_world import address, client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
NO_BMC = "This node has no BMC. Give it the address of one first."


@pytest.fixture
def browser() -> Client:
    return client_of(Role.MASTER)


def _chosen(*nodes: Backend) -> dict[str, Any]:
    return {"action": "power_off", "_selected_action": [node.pk for node in nodes]}


def _messages(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_the_page_offers_no_power_actions(browser: Client) -> None:
    with_one, without = (make.backend(0, bmc_ip=ip) for ip in ("127.0.0.1", None))
    html = [browser.get(address(Backend, "change", node.pk)).content.decode() for node in (with_one, without)]
    assert [f"{node.pk}/power_off/" in text for node, text in zip((with_one, without), html, strict=True)] == [
        True,
        False,
    ]
    assert f"{without.pk}/drain/" in html[1]


def test_the_address_of_a_power_action_refuses_it_without_confirmation(browser: Client) -> None:
    node = make.backend(0, bmc_ip=None)
    answer = browser.get(f"/admin/backends/backend/{node.pk}/power_off/")
    assert (answer.status_code, answer.headers["Location"]) == (302, address(Backend, "change", node.pk))
    assert _messages(answer) == [NO_BMC]


def test_the_list_refuses_it_for_such_nodes_without_confirmation(browser: Client) -> None:
    answer = browser.post(address(Backend, "changelist"), _chosen(make.backend(0, bmc_ip=None)))
    assert (answer.status_code, _messages(answer)) == (302, [NO_BMC])
    assert PowerAction.objects.count() == 0


def test_the_confirmation_counts_such_nodes_among_others(browser: Client) -> None:
    nodes = make.backend(0), make.backend(0, bmc_ip=None), make.backend(0, bmc_ip=None)
    text = browser.post(address(Backend, "changelist"), _chosen(*nodes)).content.decode()
    assert f"2 rows are left as they are: {NO_BMC}" in text
    assert "rows are left" not in browser.post(address(Backend, "changelist"), _chosen(nodes[0])).content.decode()
