"""The node grid: which nodes it shows, and that bulk actions apply to exactly these nodes."""

from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from accounts.choices import Role
from backends.choices import BackendStatus, DeviceStatus
from backends.models import Agent, Backend, Bmc, Device
from backends.services.groups import create_backend_group
from backends.services.nodes import set_backend_status
from console.pages.nodes import PAGE
from core.clock import db_now
from scheduler.cycle.tick import tick
from scheduler.services.nodes import set_device_status
from tests import make
from tests.admin_world import address, client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


GRID = "/admin/console/nodes/"


LIVE_PART = {"X-Live-Part": "node-cards"}


def names_on_grid(browser: Client, query: str = "") -> list[str]:
    """Return the names of the cards."""
    return [card.name for card in browser.get(GRID + query).context["cards"]]


def names_in_list(browser: Client, query: str) -> list[str]:
    """Return the names in the admin's list of nodes at the same address."""
    return [row.name for row in browser.get(address(Backend, "changelist") + query).context["cl"].result_list]


@pytest.fixture
def fleet() -> dict[str, int]:
    """Make nodes that each differ in one thing; return the numbers that filters need."""
    group = create_backend_group(name="far", actor=make.ACTOR)
    make.ready_backend(1, name="grouped", group=group)
    make.ready_backend(1, name="described", description="rack seven", ip="10.9.9.9")
    busy = make.ready_backend(2, name="busy")
    kept = make.ready_backend(1, name="kept")
    set_device_status(kept, DeviceStatus.BUSY, actor=make.ACTOR)
    stopped = make.ready_backend(1, name="stopped")
    set_backend_status(stopped, BackendStatus.SHUTDOWN, actor=make.ACTOR)
    other = make.ready_backend(1, name="other")
    Device.objects.filter(backend=other).update(model="A100")
    Bmc.objects.filter(backend=other).update(status="off")
    gone = make.backend(name="gone", description="rack seven")
    Backend.objects.filter(pk=gone.pk).update(deleted_at=db_now())
    Device.objects.exclude(backend=busy).filter(status="IDLE").update(status="SHUTDOWN")
    job = make.job(make.sda(2, description="Aurora Vision"))
    tick(job.group_id)
    return {"group": group.pk, "token": job.token_id}


CASES = {
    "no filter gives every node that was not deleted": ("", "busy described grouped kept other stopped"),
    "a word of the name": ("?q=USY", "busy"),
    "all words, wherever each stands": ("?q=seven+descr", "described"),
    "a word that one of them lacks": ("?q=seven+busy", ""),
    "an address": ("?q=10.9.9.9", "described"),
    "a group": ("?group__id__exact={group}", "grouped"),
    "a group that is not there": ("?group__id__exact=99999", ""),
    "a status": ("?status__exact=SHUTDOWN", "stopped"),
    "a power state": ("?bmc__status__exact=off", "other"),
    "devices in use": ("?device=used", "busy"),
    "devices kept out": ("?device=kept", "kept"),
    "devices shut down": ("?device=out", "described grouped other stopped"),
    "no such state of devices": ("?device=purple", ""),
    "a model": ("?model=A100", "other"),
    "a model that nobody has": ("?model=H100", ""),
    "a customer by part of the description": ("?token=rora", "busy"),
    "a customer by number": ("?token={token}", "busy"),
    "no such customer": ("?token=99999999999999999999", ""),
    "two filters are both meant": ("?status__exact=ACTIVE&device=out", "described grouped other"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_grid_and_the_list_show_the_same_nodes_for(case: str, fleet: dict[str, int]) -> None:
    query, names = CASES[case]
    browser = client_of(Role.READ_ONLY)
    assert names_on_grid(browser, query.format(**fleet)) == names.split()
    assert names_in_list(browser, query.format(**fleet)) == names.split()


def test_a_character_that_no_column_can_hold_finds_nothing(fleet: dict[str, int]) -> None:
    assert names_on_grid(client_of(Role.READ_ONLY), "?q=%00") == []


def test_an_action_applies_to_all_nodes_that_the_filter_finds(fleet: dict[str, int]) -> None:
    browser = client_of(Role.GENERAL)
    page = browser.get(GRID + "?status__exact=ACTIVE&device=out&p=1")
    assert QueryDict(page.context["as_list"].partition("?")[2]).dict() == {"status__exact": "ACTIVE", "device": "out"}
    form = {"action": "shut_down", "select_across": "1", "_selected_action": page.context["cards"][0].pk}
    confirmation = browser.post(page.context["as_list"], form)
    assert confirmation.context["count"] == 3
    browser.post(page.context["as_list"], {**form, "agreed": "3"})
    stopped = Backend.objects.filter(status=BackendStatus.SHUTDOWN).order_by("name")
    assert [node.name for node in stopped] == ["described", "grouped", "other", "stopped"]


def test_an_action_applies_to_the_ticked_nodes(fleet: dict[str, int]) -> None:
    browser = client_of(Role.GENERAL)
    page = browser.get(GRID)
    ticked = [card.pk for card in page.context["cards"] if card.name in ("busy", "kept")]
    confirmation = browser.post(page.context["as_list"], {"action": "power_off", "_selected_action": ticked})
    assert confirmation.context["named"] == ["busy", "kept"]


def test_an_action_returns_to_the_grid_with_its_filter_and_nowhere_else(fleet: dict[str, int]) -> None:
    browser = client_of(Role.GENERAL)
    here = GRID + "?device=out&q=grouped"
    page = browser.get(here)
    form = {"action": "drain", "_selected_action": [page.context["cards"][0].pk]}
    assert f'<input type="hidden" name="back" value="{escape(here)}">' in page.content.decode()
    confirmation = browser.post(page.context["as_list"], {**form, "back": here})
    assert (confirmation.context["back"], ("back", here) in confirmation.context["fields"]) == (here, True)
    done = browser.post(page.context["as_list"], {**form, "back": here, "agreed": "1"})
    assert (done.status_code, done.headers["Location"]) == (302, here)
    for elsewhere in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", ""):
        done = browser.post(page.context["as_list"], {**form, "back": elsewhere, "agreed": "1"})
        assert done.headers["Location"] == page.context["as_list"]


def test_the_legend_counts_the_devices_of_the_found_nodes_and_links_to_them(fleet: dict[str, int]) -> None:
    legend = client_of(Role.READ_ONLY).get(GRID + "?status__exact=ACTIVE").context["legend"]
    assert [(name, number) for name, _word, number, _address in legend] == [
        ("used", 2), ("idle", 0), ("moving", 0), ("kept", 1), ("out", 3),
    ]  # fmt: skip
    assert legend[3][3] == "?status__exact=ACTIVE&device=kept"


MODELS = {"": ["A100", "MI250"], "?q=other": ["A100"], "?q=none": [], "?model=A100": ["A100", "MI250"]}
MODELS["?model=H100"] = ["A100", "MI250", "H100"]  # what filters is shown


@pytest.mark.parametrize("query", MODELS)
def test_models_to_choose_from_are_those_of_the_found_nodes_until_one_is_chosen(
    query: str, fleet: dict[str, int]
) -> None:
    (field,) = (f for f in client_of(Role.READ_ONLY).get(GRID + query).context["fields"] if f.name == "model")
    assert [value for value, _word in field.options] == MODELS[query]


PLACES = {
    "": (1, 2, PAGE, ["", "", "?p=2", "?p=2"]),
    "?p=2": (2, 2, 1, ["?p=1", "?p=1", "", ""]),
    "?p=9": (2, 2, 1, ["?p=1", "?p=1", "", ""]),
    "?p=-1": (1, 2, PAGE, ["", "", "?p=2", "?p=2"]),
    "?p=x": (1, 2, PAGE, ["", "", "?p=2", "?p=2"]),
}


@pytest.mark.parametrize("query", PLACES)
def test_pages(query: str) -> None:
    rows = [Backend(name=f"n{i:03}", ip="10.0.0.1", group_id=0, key_digest=f"{i:064}") for i in range(PAGE + 1)]
    made = Backend.objects.bulk_create(rows)
    Agent.objects.bulk_create(Agent(backend=node) for node in made)
    context = client_of(Role.READ_ONLY).get(GRID + query).context
    number, last, cards_shown, links = PLACES[query]
    assert (context["page"], context["last"], len(context["cards"])) == (number, last, cards_shown)
    assert [link for _word, link in context["page_links"]] == links


def test_no_more_queries_for_more_nodes() -> None:
    browser = client_of(Role.MASTER)

    def queries(**headers: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get(GRID, headers=headers)
        return len(captured)

    make.running_job(make.ready_backend(2))
    few = queries(), queries(**LIVE_PART)
    for _ in range(20):
        make.running_job(make.ready_backend(2))
    assert (queries(), queries(**LIVE_PART)) == few == (11, 8)


@pytest.mark.parametrize("role", Role)
def test_only_who_may_operate_can_choose_nodes_and_actions(role: Role) -> None:
    make.backend()
    page: Any = client_of(role).get(GRID)
    may = role != Role.READ_ONLY
    assert bool(page.context["actions"]) == may
    text = page.content.decode()
    assert ('name="_selected_action"' in text, 'name="select_across"' in text, 'id="bulk"' in text) == (may,) * 3


def test_the_actions_are_those_of_the_list() -> None:
    groups = client_of(Role.GENERAL).get(GRID).context["actions"]
    assert [(str(title), [name for name, _word in actions]) for title, actions in groups] == [
        ("Scheduling", ["drain", "maintain", "shut_down", "activate", "device_status", "move_group", "health_check"]),
        ("Power", ["power_on", "power_off", "power_soft", "power_cycle", "power_reset", "power_status"]),
        ("Inventory", ["add_tag", "remove_tag", "set_rack"]),
    ]


def test_a_page_that_renews_itself_gets_only_its_part() -> None:
    make.backend(name="gpu-1")
    text = client_of(Role.GENERAL).get(GRID, headers=LIVE_PART).content.decode()
    assert text.strip().startswith('<div id="node-cards"')
    assert ("gpu-1" in text, "<html" in text, "_selected_action" in text) == (True, False, True)


def test_the_grid_speaks_korean() -> None:
    make.backend(name="gpu-1")
    text = client_of(Role.GENERAL).get(GRID, headers={"accept-language": "ko"}).content.decode()
    for word in ("노드 그리드", "필터에 맞는 전체: 1", "드레인 또는 정리 중", "gpu-1 선택", "동작 선택", "그룹: 전체"):
        assert word in text, word
    assert "Node grid" not in text


def test_a_stranger_is_redirected_to_the_login() -> None:
    assert Client().get(GRID).headers["Location"] == f"/admin/login/?next={GRID}"
