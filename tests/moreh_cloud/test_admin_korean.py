"""The admin speaks Korean, from a compiled catalogue that is as new as its source."""

import ast
import gettext
import re
from pathlib import Path

import pytest
from django.conf import settings

from accounts.choices import Role
from tests.admin_world import address, client_of, nouns, populate

CATALOGUE = Path(settings.BASE_DIR) / "locale/ko/LC_MESSAGES/django.po"
# Korean has one form where English has two.
ENTRY = re.compile(r'^msgid ((?:".*"\n)+)(?:msgid_plural (?:".*"\n)+)?msgstr(?:\[0\])? ((?:".*"\n?)+)', re.MULTILINE)
# A text with a context is another one than the same words without it.
IN_CONTEXT = re.compile(r'^msgctxt .*\n(?:msgid|"|msgstr).*\n(?:(?:"|msgstr).*\n?)*', re.MULTILINE)


def written() -> dict[str, str]:
    pairs = ENTRY.findall(IN_CONTEXT.sub("", CATALOGUE.read_text(encoding="utf-8")))
    texts = [
        tuple("".join(ast.literal_eval(line) for line in part.split("\n") if line) for part in pair) for pair in pairs
    ]
    return {source: korean for source, korean in texts if source and korean}


def test_the_compiled_catalogue_holds_what_is_written() -> None:
    with CATALOGUE.with_suffix(".mo").open("rb") as compiled:
        known = gettext.GNUTranslations(compiled)
    assert {source: known.gettext(source) for source in written()} == written()


def test_a_translation_has_the_places_of_its_source() -> None:
    place = re.compile(r"%\(\w+\)s|%s")
    wrong = [source for source, korean in written().items() if set(place.findall(source)) != set(place.findall(korean))]
    assert wrong == []


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
def test_an_operator_switches_the_language() -> None:
    browser = client_of(Role.READ_ONLY)
    assert "Open alerts" in browser.get("/admin/").content.decode()
    browser.post("/i18n/setlang/", {"language": "ko", "next": "/admin/"})
    assert "열린 알림" in browser.get("/admin/").content.decode()


@pytest.mark.only_sqlite  # the same on both, and slow
@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
def test_every_page_opens_in_korean() -> None:
    populate()
    browser = client_of(Role.MASTER)
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "ko"
    assert "열린 알림" in browser.get("/admin/").content.decode()
    for model in nouns():
        row = model._default_manager.first()
        assert row is not None
        assert browser.get(address(model, "changelist")).status_code == 200
        assert browser.get(address(model, "change", row.pk)).status_code == 200
