"""What Ctrl K finds: names, addresses, customers, numbers of jobs and every page, in both languages."""

import pytest
from django.contrib.admin import site
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from accounts.choices import Role
from sda.services.models import create_sda_model_group
from tests import make
from tests.admin_world import client_of
from tokens.services import create_token_group, delete_token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


@pytest.fixture
def browser() -> Client:
    return client_of(Role.READ_ONLY)


def find(browser: Client, text: str) -> list[str]:
    """Return what is found, without the pages of the menu."""
    found = browser.get("/admin/search/", {"s": text, "extended": "1"}).context["results"]
    return [one.title for one in found if one.description not in ("Page", "페이지")]


def test_exact_names_come_first_then_beginnings_then_parts(browser: Client) -> None:
    for name in ("a-gpu-7", "gpu-77", "gpu-7"):
        make.backend(name=name)
    assert find(browser, "gpu-7") == ["gpu-7", "gpu-77", "a-gpu-7"]
    assert find(browser, "GPU-7") == ["gpu-7", "gpu-77", "a-gpu-7"]


def test_nodes_are_found_by_both_addresses(browser: Client) -> None:
    make.backend(name="gpu-1", ip="10.1.2.3", bmc_ip="127.9.8.7")
    make.backend(name="gpu-2", ip="10.1.2.33")
    assert find(browser, "10.1.2.3") == ["gpu-1", "gpu-2"]
    assert find(browser, "127.9.8") == ["gpu-1"]


def test_customers_groups_and_models_are_found_by_a_part_of_their_names(browser: Client) -> None:
    create_token_group(name="vision team", actor=make.ACTOR)
    create_sda_model_group(name="vision models", backend_group=make.default_group(), actor=make.ACTOR)
    make.sda_model(name="Vision.64GB")
    make.token(description="Aurora Vision")
    delete_token(make.token(description="Vision that left"), actor=make.ACTOR)
    assert find(browser, "vision") == ["Aurora Vision", "vision team", "Vision.64GB", "vision models"]


def test_a_token_is_never_found_by_its_value(browser: Client) -> None:
    token = make.token()
    assert find(browser, token.value) == find(browser, token.value[:10]) == []


def test_a_job_is_found_by_its_number(browser: Client) -> None:
    job = make.job()
    assert find(browser, str(job.pk)) == find(browser, f"#{job.pk}") == [f"#{job.pk}"]
    assert find(browser, "#" + "9" * 30) == find(browser, "²") == []


@pytest.mark.only_sqlite  # the same on both, and slow
@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_page_of_the_menu_is_found_in_any_language(language: str) -> None:
    browser = client_of(Role.GENERAL)
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = language
    request = browser.get("/admin/").wsgi_request
    items = [item for part in site.get_sidebar_list(request) for item in part["items"]]  # type: ignore[attr-defined]
    assert len(items) >= 20
    for item in items:
        for known in ("en", "ko"):
            with translation.override(known):
                title = str(item["title"])
            found = browser.get("/admin/search/", {"s": title}).context["results"]
            assert str(item["link"]) in [one.link for one in found], (title, language)


def test_strangers_find_nothing_and_an_empty_text_finds_nothing(browser: Client) -> None:
    assert Client().get("/admin/search/", {"s": "gpu"}).status_code == 302
    assert "Nothing is called so." in browser.get("/admin/search/", {"s": "zzzz"}).content.decode()
    assert find(browser, "") == find(browser, " ") == []


def test_of_each_kind_at_most_ten_in_as_many_queries_whatever_there_is(browser: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as seen:
            find(browser, "10")
        return len(seen)

    names = iter(range(1000))
    for _ in range(5):
        make.token(description=f"customer 10{next(names)}")
    few = cost()
    for _ in range(45):
        make.token(description=f"customer 10{next(names)}")
    assert cost() == few == 10
    assert len(find(browser, "customer 10")) == 10
