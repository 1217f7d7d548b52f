"""Every page of the admin and the console, asked with every edge in every parameter, form and id that it reads."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin import site
from django.http import QueryDict
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from accounts.choices import Role
from tests.admin_world import address, client_of, nouns, populate
from tests.edges.values import EDGES, NUMBERS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files"), pytest.mark.timeout(600)]
SHARP = ("9" * 25, "\xb2", "0001-01-01T00:00:00", "a\0b")
STREAMS = {"live-stream"}  # never ends
OF_AGENTS = {"job-log", "job-log-file"}  # asked of a node
RANGES = (
    ("1971-01-02", "8999-12-30"),
    ("2026-01-01", "8999-12-31"),
    ("x", "8999-12-31"),
    ("1971-01-01T12:00Z", "x"),
    ("8999-12-31", "1971-01-01T00:00Z"),
)
WORDS = {"kind": "csv", "column": "temperature"}  # parts of addresses that are no numbers


@pytest.fixture
def browser(caplog: pytest.LogCaptureFixture) -> Iterator[Client]:
    """Return a Master's browser, and see that nothing it did left a traceback in the log."""
    populate()
    made = client_of(Role.MASTER)
    made.raise_request_exception = False
    with caplog.at_level(logging.WARNING):
        yield made
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


def sound(answer: Any, what: object) -> None:
    if answer.streaming:
        b"".join(answer.streaming_content)
    assert answer.status_code < 500, what


def read_by(browser: Client, path: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the names that a page looks for in its address."""
    names: set[str] = set()

    def noting(method: str) -> Any:
        plain = getattr(QueryDict, method)

        def noted(self: QueryDict, name: Any, *more: Any) -> Any:
            names.add(str(name))
            return plain(self, name, *more)

        return noted

    with monkeypatch.context() as patch:
        for method in ("get", "getlist", "__getitem__", "__contains__"):
            patch.setattr(QueryDict, method, noting(method))
        sound(browser.get(path), path)
    return names


def console_pages() -> list[str]:
    """Return the addresses of the console's pages, with a number or a word where one stands in them."""
    patterns = {pattern.name: pattern for pattern in _patterns(get_resolver()) if _is_of_console(pattern)}
    asked = sorted(patterns.keys() - STREAMS - OF_AGENTS - {"filter-change"})
    parts = {name: [WORDS.get(part, 1) for part in patterns[name].pattern.converters] for name in asked}
    return [reverse(f"console:{name}", args=parts[name]) for name in asked]


def _is_of_console(pattern: URLPattern) -> bool:
    return getattr(pattern, "of", "") == "console"


def _patterns(resolver: Any, of: str = "") -> Iterator[Any]:
    for one in resolver.url_patterns:
        if isinstance(one, URLPattern):
            one.of = of  # type: ignore[attr-defined]
            yield one
        else:
            yield from _patterns(one, str(one.namespace or of))


@pytest.mark.only_postgresql  # slow, and the stricter database
def test_the_console_is_asked_with_every_edge(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    found = 0
    for path in console_pages():
        names = read_by(browser, path, monkeypatch) | read_by(browser, f"{path}?range=free&kind=token", monkeypatch)
        found += len(names)
        for value in EDGES[::3]:
            sound(browser.get(path, dict.fromkeys(names, value)), (path, names, value))
        for name in names:
            for value in SHARP:
                sound(browser.get(path, {name: value}), (path, name, value))
    assert found > 60


def test_two_times_that_are_each_allowed_are_a_range_of_every_page(browser: Client, monkeypatch: Any) -> None:
    found = 0
    for path in [*console_pages(), *(address(model, "changelist") for model in nouns())]:
        names = read_by(browser, path, monkeypatch) | read_by(browser, f"{path}?range=free&kind=token", monkeypatch)
        pairs = [(name, _other_end(name)) for name in names if _other_end(name) in names]
        found += len(pairs)
        for start, end in RANGES if pairs else ():
            asked = {name: at for pair in pairs for name, at in zip(pair, (start, end), strict=True)}
            for more in ({}, {"by": "token"}) if "by" in names else ({},):
                sound(browser.get(path, asked | more), (path, asked))
    assert found >= 5


def _other_end(name: str) -> str:
    """Return what the end of a range is called whose start has this name, "" for another name."""
    return re.sub(r"(^|_)from(_0|)$", r"\1to\2", name) if re.search(r"(^|_)from(_0|)$", name) else ""


@pytest.mark.only_sqlite  # forms and actions are asked on the other
def test_lists_and_their_files_are_asked_with_every_edge(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for model in nouns():
        admin: Any = site._registry[model]
        path = address(model, "changelist")
        names = read_by(browser, path, monkeypatch) | {"q", "p", "o", "all", "_to_field", "id__in", "pk"}
        names |= {f"{admin.date_hierarchy}__{part}" for part in ("year", "month", "day") if admin.date_hierarchy}
        for name in names:
            for value in SHARP[::2]:
                sound(browser.get(path, {name: value}), (path, name, value))
        for value in NUMBERS[::3]:
            sound(browser.get(address(model, "export_csv"), {"q": value, "o": value}), (path, value))


def test_ids_that_name_no_row(browser: Client) -> None:
    """Lead to "doesn't exist" or nowhere, on every address with an id: pages, actions, files."""
    odd = ("abc", "9" * 25, "\xb2", "0001-01-01T00:00:00+00:00")
    seen = 0
    for pattern in _patterns(get_resolver()):
        for made in _with_ids(pattern, odd):
            for ask in (browser.get, browser.post) if "abc" in made else (browser.get,):
                answer = ask(made)
                assert answer.status_code in (302, 400, 403, 404, 405), (made, answer.status_code)
                seen += 1
    assert seen > 500


def _with_ids(pattern: Any, values: tuple[str, ...]) -> Iterator[str]:
    takes = set(pattern.pattern.converters)
    if pattern.of != "admin" or takes != {"object_id"} or not pattern.name:
        return
    for value in values:
        yield reverse(f"admin:{pattern.name}", args=[value])


@pytest.mark.only_postgresql  # lists are asked on the other
def test_forms_take_every_edge(browser: Client) -> None:
    """Check that a form names what is wrong at its field, or makes the row; nothing else."""
    for model in nouns():
        path = address(model, "add")
        page = browser.get(path)
        if page.status_code != 200:
            continue
        fields = list(page.context["adminform"].form.fields)
        for value in SHARP:
            sound(browser.get(path, dict.fromkeys(fields, value)), (path, value))
        for value in EDGES[::2]:
            sent = {part: value for name in fields for part in (name, f"{name}_0", f"{name}_1")}
            sound(browser.post(path, sent), (path, value))


@pytest.mark.only_postgresql  # slow, and the stricter database
def test_actions_take_every_edge(browser: Client) -> None:
    for model in nouns():
        admin: Any = site._registry[model]
        row = model._default_manager.first()
        assert row is not None
        for name in _steps(admin):
            step = getattr(admin, name).step
            fields = list(step.form().fields)
            if not fields:
                continue
            for value in EDGES[::3]:
                ticked = {"action": name, "_selected_action": row.pk, "agreed": value, "key": value, "selection": value}
                sound(
                    browser.post(address(model, "changelist"), {**ticked, **dict.fromkeys(fields, value)}),
                    (model, name),
                )
                if fields != ["force"]:
                    agreed = {**ticked, "agreed": "1", "selection": "", "key": "", **dict.fromkeys(fields, value)}
                    sound(browser.post(address(model, "changelist"), agreed), (model, name, value))


def _steps(admin: Any) -> list[str]:
    return [name for name in dir(type(admin)) if hasattr(getattr(type(admin), name, None), "step")]
