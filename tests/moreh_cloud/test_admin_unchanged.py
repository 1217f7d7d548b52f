"""The page of any row, sent as a browser shows it: nothing is written, and the answer says that nothing changed."""

from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.messages import get_messages

from accounts.choices import Role
from events.models import Event
from tests.admin_world import address, client_of, nouns, populate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


class Fields(HTMLParser):
    """The fields of the forms of a page, as a browser sends them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self._select = self._area = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, kind = given.get("name") or "", given.get("type", "text")
        if tag == "input" and name and kind != "submit" and (kind not in ("checkbox", "radio") or "checked" in given):
            self.sent.append((name, given.get("value") or ("on" if kind == "checkbox" else "")))
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in given:
            self.sent.append((self._select, given.get("value") or ""))
        elif tag == "textarea" and name:
            self._area = name
            self.sent.append((name, ""))

    def handle_data(self, data: str) -> None:
        if self._area:
            name, text = self.sent.pop()
            self.sent.append((name, text + data.removeprefix("\n") if not text else text + data))

    def handle_endtag(self, tag: str) -> None:
        self._select = "" if tag == "select" else self._select
        self._area = "" if tag == "textarea" else self._area


def test_a_page_saved_unchanged_says_that_nothing_changed() -> None:
    populate()
    browser, saved = client_of(Role.MASTER), set()
    for model in nouns():
        row: Any = model._default_manager.last()
        page = address(model, "change", row.pk)
        shown = browser.get(page).content.decode()
        if 'name="_save"' not in shown:
            continue
        data: dict[str, list[str]] = {}
        for name, value in Fields(shown).sent:
            data.setdefault(name, []).append(value)
        events = Event.objects.count()
        browser.cookies.pop("messages", None)
        answer = browser.post(page, data)
        errors = answer.context["adminform"].form.errors if answer.context else {}
        assert (answer.status_code, errors) == (302, {}), model
        told = [str(message) for message in get_messages(answer.wsgi_request)]
        assert told == ["Nothing changed: it was like this already."], model
        assert Event.objects.count() == events, model
        saved.add(model.__name__)
    assert len(saved) > 8
