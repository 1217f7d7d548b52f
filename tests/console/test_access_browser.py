"""The picture of who may use what, and the search field, in Debian's chromium: by mouse and by keyboard."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.choices import Role
from backends.services.groups import create_backend_group
from events.models import Event
from sda.models import Membership
from sda.services.models import create_sda_model_group
from tests import make
from tests.console.every_page import without_live
from tests.moreh_cloud.test_admin_browser import chromium
from tokens.services import create_token_group

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_sqlite,  # what a browser makes of a page does not depend on the database that filled it
    pytest.mark.usefixtures("static_files"),
]


@pytest.fixture
def page(live_server: "LiveServer", chromium: Browser) -> Iterator[Page]:
    """A page of an operator who has logged in; what goes wrong in it fails the test."""
    make.operator(Role.GENERAL, username="kim")
    opened = chromium.new_context(viewport={"width": 1366, "height": 768}, base_url=live_server.url).new_page()
    without_live(opened)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto("/admin/")
    opened.get_by_label("Username").fill("kim")
    opened.get_by_label("Password").fill("correct horse")
    opened.get_by_role("button", name="Log in").click()
    opened.locator("#search-open").wait_for()
    yield opened
    opened.context.close()
    assert problems == []


@pytest.fixture
def group_ids() -> tuple[int, int]:
    """A team of one token and models on nodes of their own, not joined yet."""
    nodes = create_backend_group(name="fast nodes", actor=make.ACTOR)
    group = create_sda_model_group(
        name="gold", backend_group=nodes, models=[make.sda_model(name="Large")], actor=make.ACTOR
    )
    team = create_token_group(name="team", tokens=[make.token(description="Aurora")], actor=make.ACTOR)
    return team.pk, group.pk


def members() -> list[tuple[int, int]]:
    return list(Membership.objects.values_list("token_group", "model_group"))


def test_a_membership_is_given_and_taken_away_by_mouse_and_undone(page: Page, group_ids: tuple[int, int]) -> None:
    page.goto("/admin/console/access/")
    page.get_by_role("button", name="team").click()
    page.get_by_role("button", name="Give: team, gold").click()
    expect_status(page, "team may use gold")
    assert members() == [group_ids]
    expect(page.locator("#access-picture svg path.mc-lit")).to_have_count(2)  # the team to gold, gold to its nodes
    page.get_by_role("button", name="Take away: team, gold").click()
    dialog = page.get_by_role("dialog", name="Take away: team, gold")
    dialog.get_by_text("Large on fast nodes (tokens: 1)").wait_for()
    dialog.get_by_role("button", name="No, take me back").click()
    assert members() == [group_ids]
    page.get_by_role("button", name="Take away: team, gold").click()
    dialog.get_by_role("button", name="Take away").click()
    expect_status(page, "team may no longer use gold")
    assert members() == []
    page.get_by_role("button", name="Undo").click()
    expect_status(page, "Undone.")
    assert members() == [group_ids]
    actions = Event.objects.filter(action__contains="MEMBERSHIP").order_by("pk").values_list("action", "actor")
    assert list(actions) == [("CREATE_MEMBERSHIP", "kim"), ("DELETE_MEMBERSHIP", "kim"), ("CREATE_MEMBERSHIP", "kim")]


def test_the_same_by_keyboard_alone(page: Page, group_ids: tuple[int, int]) -> None:
    page.goto("/admin/console/access/")
    page.locator("[data-key^=u] .mc-pick").first.focus()
    page.keyboard.press("Enter")
    tab_to(page, "Give: team, gold")
    page.keyboard.press("Enter")
    expect_status(page, "team may use gold")
    assert members() == [group_ids]
    page.get_by_role("button", name="Take away: team, gold").wait_for()
    tab_to(page, "Take away: team, gold")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    assert focused(page) == "No, take me back"  # the way back has the focus
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect_status(page, "team may no longer use gold")
    assert members() == []
    page.keyboard.press("Escape")
    assert page.locator(".mc-pick[aria-pressed=true]").count() == 0


def expect_status(page: Page, text: str) -> None:
    """Wait until the page says so above the picture."""
    page.get_by_role("status").get_by_text(text, exact=True).wait_for()


def focused(page: Page) -> str:
    text: str = page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.textContent")
    return text


def tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        if focused(page) == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(name)


def test_a_refusal_is_shown_next_to_its_button(page: Page, group_ids: tuple[int, int]) -> None:
    page.goto("/admin/console/access/")
    page.get_by_role("button", name="team").click()
    Membership.objects.create(token_group_id=group_ids[0], model_group_id=group_ids[1])  # somebody else was faster
    page.locator(f'[data-key="g{group_ids[1]}"] [data-do]').evaluate("(button) => button.click()")
    page.locator(f'[data-key="g{group_ids[1]}"]').get_by_role("alert").get_by_text("This membership exists.").wait_for()


def test_a_token_is_found_and_put_into_a_group(page: Page, group_ids: tuple[int, int]) -> None:
    Membership.objects.create(token_group_id=group_ids[0], model_group_id=group_ids[1])
    token = make.token(description="Birch")
    page.goto("/admin/console/access/")
    page.get_by_role("combobox", name="Token").fill("bir")
    page.get_by_role("option", name="Birch").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("It may use nothing.").wait_for()
    page.get_by_role("button", name="Put into this group").click()
    expect_status(page, "Birch is in team")
    page.get_by_role("row", name="Large 1 team gold fast nodes").wait_for()
    assert [group.pk for group in token.groups.all()] == [group_ids[0]]


def test_lists_do_the_same(page: Page, group_ids: tuple[int, int]) -> None:
    page.goto("/admin/console/access/")
    page.get_by_role("button", name="Lists").click()
    page.locator("form[data-form=membership] button").click()
    page.get_by_role("button", name="Take away: team, gold").click()
    page.get_by_role("dialog").get_by_role("button", name="Take away").click()
    expect_status(page, "team may no longer use gold")
    page.get_by_role("button", name="Take out: Large, gold").click()
    expect_status(page, "Large is no longer in gold")
    assert members() == []


def test_the_search_field_finds_a_node_and_goes_there(page: Page) -> None:
    node = make.backend(name="gpu-7")
    page.keyboard.press("Control+k")
    page.get_by_role("dialog", name="Search").wait_for()
    page.keyboard.type("gpu-7")
    page.get_by_role("link", name="gpu-7").wait_for()
    page.locator("#command-results-list li.active").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/admin/backends/backend/{node.pk}/change/")
    page.locator("#search-open").focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="Search").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog", name="Search").wait_for(state="hidden")
    page.wait_for_function("document.activeElement.id === 'search-open'")


def test_a_value_is_shown_and_hidden_on_the_page_of_a_token(page: Page) -> None:
    token = make.token()
    page.goto(f"/admin/tokens/token/{token.pk}/change/")
    assert token.value not in page.content()
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_text(token.value).wait_for()
    page.get_by_role("button", name="Hide", exact=True).click()
    assert token.value not in page.content()
    assert Event.objects.filter(action="REVEAL_TOKEN", actor="kim", token_id=token.pk).count() == 1


def test_variables_are_added_pasted_and_removed(page: Page) -> None:
    token = make.token(env={"OLD": "1"})
    page.goto(f"/admin/tokens/token/{token.pk}/change/")
    page.get_by_role("button", name="Remove this variable").first.click()
    page.get_by_role("button", name="Another variable").click()
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.setData("text", "# a comment\\nexport A=1=2\\nB='two words'\\n");
            document.activeElement.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true}));
        }"""
    )
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/admin/tokens/token/")
    token.refresh_from_db()
    assert token.env == {"A": "1=2", "B": "two words"}
