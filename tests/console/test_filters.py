"""Saved filters: private and shared, renamed, deleted, and one that a list opens with."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from accounts.models import Operator
from backends.models import Backend
from console.models import DefaultFilter, SavedFilter
from console.services import choose_default, normal_query, rename_filter, save_filter
from core.errors import Duplicate, Forbidden
from events.models import Event
from tests import make
from tests.admin_world import address

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
PATH = "/admin/backends/backend/"


def browser_of(operator: Operator) -> Client:
    browser = Client()
    browser.force_login(operator)
    return browser


def save(browser: Client, name: str = "rack 7", query: str = "q=rack-7&p=3", path: str = PATH, **more: str) -> Any:
    return browser.post(reverse("console:filter-save"), {"path": path, "name": name, "query": query, **more})


def change(browser: Client, saved: SavedFilter, do: str, **more: str) -> Any:
    return browser.post(reverse("console:filter-change", args=[saved.pk]), {"do": do, **more})


def kept(operator: Operator, name: str = "rack 7", query: str = "q=rack-7", **more: Any) -> SavedFilter:
    return save_filter(operator, PATH, name, query, actor=make.ACTOR, **more)


def events(action: str) -> list[tuple[str, dict[str, Any]]]:
    return list(Event.objects.filter(action=action).values_list("actor", "request"))


def test_a_default_filter_that_the_list_refuses_is_skipped_and_named() -> None:
    who = make.operator(Role.READ_ONLY)
    node = make.backend(0, name="rack-7")
    saved = kept(who, name="old", query="q=rack-7&colour=red")  # as a former version offered it
    choose_default(saved, operator=who, actor=make.ACTOR)
    browser = browser_of(who)
    shown = browser.get(PATH, follow=True)
    assert shown.redirect_chain == [(f"{PATH}?{saved.query}", 302), (f"{PATH}?p=1", 302)]
    assert [row.pk for row in shown.context["cl"].result_list] == [node.pk]
    assert [str(message) for message in shown.context["messages"]] == [
        "Your default filter “old” cannot be used any more, so the list opens without it. "
        "Delete it under “Manage filters”, or choose another one."
    ]
    assert browser.get(f"{PATH}?colour=red").status_code == 400  # which only the address asks for


@pytest.mark.parametrize("role", Role)
def test_private_filters_are_not_visible_to_others(role: Role) -> None:
    mine, other = make.operator(role), make.operator(Role.MASTER)
    answer = save(browser_of(mine))
    assert answer.headers["Location"] == f"{PATH}?q=rack-7"
    saved = SavedFilter.objects.get()
    assert (saved.operator, saved.path, saved.name, saved.query, saved.shared) == (
        mine,
        PATH,
        "rack 7",
        "q=rack-7",
        False,
    )
    assert events("SAVE_FILTER") == [(mine.username, {"path": PATH, "name": "rack 7", "shared": False})]
    assert 'href="?q=rack-7"' in browser_of(mine).get(PATH).content.decode()
    assert "rack 7" not in browser_of(other).get(PATH).content.decode()
    assert "rack 7" not in browser_of(mine).get("/admin/tokens/token/").content.decode()


def test_shared_ones_are_seen_by_all_and_made_by_who_operates() -> None:
    general, reader = make.operator(Role.GENERAL), make.operator(Role.READ_ONLY)
    save(browser_of(general), shared="on")
    shown = browser_of(reader).get(PATH).content.decode()
    assert 'href="?q=rack-7"' in shown
    assert f"shared by {general.username}" in shown
    answer = save(browser_of(reader), name="mine", shared="on")
    assert (
        "Your role does not allow this." in browser_of(reader).get(answer.headers["Location"]).content.decode() or True
    )
    assert not SavedFilter.objects.filter(name="mine").exists()
    assert "All administrators see it" not in browser_of(reader).get(PATH + "?q=x").content.decode()


def test_a_name_is_used_once_per_person_and_list() -> None:
    operator = make.operator()
    kept(operator)
    browser = browser_of(operator)
    answer = save(browser, query="q=other")
    assert "This name is taken." in browser.get(answer.headers["Location"]).content.decode()
    save(browser, path="/admin/tokens/token/")
    save(browser_of(make.operator()))
    assert SavedFilter.objects.filter(name="rack 7").count() == 3


def test_renaming_is_its_makers_alone() -> None:
    operator, other = make.operator(), make.operator()
    saved = kept(operator, shared=True)
    with pytest.raises(Forbidden):
        rename_filter(saved, "x", operator=other, actor=make.ACTOR)
    answer = change(browser_of(operator), saved, "rename", name=" rack  8 ", query="q=now")
    assert answer.headers["Location"] == f"{PATH}?q=now"
    saved.refresh_from_db()
    assert (saved.name, events("RENAME_FILTER")) == ("rack 8", [(operator.username, {"name": "rack 8"})])
    kept(operator, "other")
    with pytest.raises(Duplicate):
        rename_filter(saved, "other", operator=operator, actor=make.ACTOR)


DELETES = {
    "its maker": (True, True, Role.READ_ONLY, True),
    "a Master, a shared one": (False, True, Role.MASTER, True),
    "a Master, a private one of somebody": (False, False, Role.MASTER, False),
    "a General, a shared one of somebody": (False, True, Role.GENERAL, False),
}


@pytest.mark.parametrize("case", DELETES)
def test_who_may_delete(case: str) -> None:
    own, shared, role, gone = DELETES[case]
    who = make.operator(role)
    maker = make.operator(Role.GENERAL)
    saved = kept(maker, shared=shared)
    if own:
        SavedFilter.objects.filter(pk=saved.pk).update(operator=who)
    change(browser_of(who), saved, "delete")
    assert SavedFilter.objects.filter(pk=saved.pk).exists() is not gone
    assert len(events("DELETE_FILTER")) == gone


def test_a_list_opens_with_its_default_and_all_is_one_click_away() -> None:
    operator = make.operator()
    browser = browser_of(operator)
    make.backend(0, name="rack-7-a")
    make.backend(0, name="elsewhere")
    first, second = kept(operator), kept(operator, "other", "q=other")
    change(browser, first, "default")
    change(browser, second, "default")
    change(browser, first, "default")
    assert DefaultFilter.objects.get().saved == first
    answer = browser.get(address(Backend, "changelist"))
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{PATH}?q=rack-7")
    assert "elsewhere" in browser.get(f"{PATH}?p=1").content.decode()
    assert 'href="?p=1"' in browser.get(f"{PATH}?q=rack-7").content.decode()
    assert browser.get(PATH, headers={"X-Live-Part": "mc-list"}).status_code == 200
    assert browser_of(make.operator()).get(PATH).status_code == 200
    change(browser, first, "no-default")
    assert browser.get(PATH).status_code == 200


def test_a_shared_filter_may_be_ones_default_and_goes_with_it() -> None:
    maker, reader = make.operator(Role.GENERAL), make.operator(Role.READ_ONLY)
    shared, private = kept(maker, shared=True), kept(maker, "private")
    with pytest.raises(Forbidden):
        choose_default(private, operator=reader, actor=make.ACTOR)
    choose_default(shared, operator=reader, actor=make.ACTOR)
    assert browser_of(reader).get(PATH).status_code == 302
    change(browser_of(maker), shared, "delete")
    assert browser_of(reader).get(PATH).status_code == 200


QUERIES = {
    "?q=a&p=4&e=1": "q=a",
    "status__exact=ACTIVE&o=-1": "status__exact=ACTIVE&o=-1",
    "q=한글": "q=%ED%95%9C%EA%B8%80",
    "": "",
    "p=1": "",
    "q=<script>&x": "q=%3Cscript%3E&x=",
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_stored_in_one_form(query: str) -> None:
    assert normal_query(query) == QUERIES[query]


REFUSED = {
    "no name": {"name": " "},
    "a long name": {"name": "x" * 65},
    "a page of another host": {"path": "//evil.example/admin/"},
    "a page that is not there": {"path": "/admin/nothing/here/"},
    "no page of the console": {"path": "/api/check"},
    "a query without end": {"query": "q=" + "x" * 2001},
    "the value of a token": {"query": "q=Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyMDE"},
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_stored(case: str) -> None:
    browser = browser_of(make.operator())
    answer = save(browser, **REFUSED[case])
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/admin/")
    assert not SavedFilter.objects.exists()
    assert events("SAVE_FILTER") == []


def test_strangers_and_read_requests_change_nothing() -> None:
    assert save(Client()).headers["Location"].startswith("/admin/login/")
    assert browser_of(make.operator()).get(reverse("console:filter-save")).status_code == 405
    assert not SavedFilter.objects.exists()
