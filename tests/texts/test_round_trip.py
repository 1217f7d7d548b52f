"""A file of ours, imported unchanged, changes nothing, whatever its texts; each cell is safe in a spreadsheet."""

import csv
import sys
from io import BytesIO, StringIO
from typing import Any
from unicodedata import category
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.choices import Role
from backends.models import Agent, Backend, BackendGroup, Bmc, Device
from backends.services.groups import create_backend_group
from billing.files.workbook import workbook
from bulk import work
from core import sheets
from core.table_files import read_table
from core.texts import problem_of
from sda.models import Membership, SdaModel, SdaModelGroup
from sda.services.models import create_membership, create_sda_model_group
from tests import make
from tests.admin_world import address, client_of
from tests.bulk.imports import carry_out, dry_run, fates
from tokens.models import Token, TokenGroup
from tokens.services import create_token_group

NASTY = [
    "'=1+1", "''=1", "'''@a", "' =x", "'-5", "'@a", "=1", "+1", "-5", "@a", " =x", "\u00a0=1", "\uff1d1", "'\uff1d1",
    "'", "''", "'tis", "a'", '"', '""', "a,b", "a;b", "x;=HYPERLINK(1)", ";", ",", "[", "[]", '["a"]', "{}", "null",
    "None", "true", "TRUE", "007", "1e999", "NaN", " a", "a ", " ", "\u3000a", "\u200b=1", "\ufeff=1", "한글", "🚀",
    "sep=;", "-", "a;'=1", "a|+1", 'a;"=1', "a;''=1","a;=1;b", "'; DROP", "#REF!", "x" * 128,
    "\u200d=1", "\u2060@a", "\u00ad-5", "\u180e+1", "\u200e=1",
]  # fmt: skip
WORDS = st.one_of(st.sampled_from(NASTY), st.text(st.characters(codec="utf-8"), min_size=1, max_size=128))
GOOD = WORDS.filter(lambda text: bool(text.strip()) and not problem_of(text))
ANY = st.one_of(st.sampled_from([*NASTY, "\t=1", "\n=1", "\r=1", "'\n=1", "a\nb", "a\r\nb", "\r", ""]), st.text())


CATEGORIES = ("Zs", "Zl", "Zp", "Cc", "Cf")
PASSED_OVER = "".join(
    char for char in map(chr, range(sys.maxunicode + 1)) if category(char) in CATEGORIES and char not in "\t\r\n"
)
LIKE_NOTHING = "\u034f\u115f\u1160\u180b\u180e\u2065\u2800\u3164\ufe0f\uffa0\U000e0100\U000e01ef"
SIGNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def test_a_sign_behind_any_character_that_is_not_seen_is_guarded() -> None:
    for char in PASSED_OVER + LIKE_NOTHING:
        for text in (f"{char}=1", f"{char}{char}\u200d@a", f"a;{char}+1", f"'{char}-1"):
            written = sheets.cell(text)
            assert (written.count("'"), sheets.unguarded(written)) == (text.count("'") + 1, text), hex(ord(char))
        assert sheets.cell(f"{char}a=1") == f"{char}a=1"


@given(ANY)
@settings(max_examples=300, deadline=None)
def test_a_guarded_text_is_found_again(text: str) -> None:
    assert sheets.unguarded(sheets.cell(text)) == text


@given(st.lists(ANY, min_size=1, max_size=5), st.sampled_from(",;\t|"), st.booleans())
@example(["x;=HYPERLINK(1);y", 'a;"=1', 'b;"" =1', "c\n=1"], ";", True)
@example(["a\t=1", "\t\t=1\t"], "\t", True)
@settings(max_examples=500, deadline=None)
def test_no_cell_is_a_formula_whatever_the_separator(texts: list[str], separator: str, numbered: bool) -> None:
    written = sheets.line([7, *texts] if numbered else texts)
    cells = [cell for row in csv.reader(StringIO(written, newline=""), delimiter=separator) for cell in row]
    assert [cell for cell in cells if cell.lstrip(PASSED_OVER).startswith(SIGNS)] == []
    again = next(csv.reader(StringIO(written, newline="")))
    assert [sheets.unguarded(cell) for cell in again[numbered:]] == texts


def test_numbers_stay_numbers_and_texts_are_quoted() -> None:
    assert sheets.line(["a", 1, -1.5, None, True, {"a": "=1"}]) == '"a",1,-1.5,"","true","{""a"": ""=1""}"\r\n'
    assert sheets.line(["x;=HYPERLINK(1)", "a, -b"]) == '"x;\'=HYPERLINK(1)","a, -b"\r\n'


def test_only_what_our_files_hold_loses_its_apostrophe() -> None:
    _columns, (line,) = read_table(b"name,secret\n'=1,'@dmin\n", verbatim=["secret"])
    assert line.cells == {"name": "=1", "secret": "'@dmin"}
    _columns, (line,) = read_table(b'[{"name": "\'=1"}]')
    assert line.cells == {"name": "'=1"}


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
def test_a_bmc_s_password_is_stored_as_it_is_typed() -> None:
    node = make.backend(0, name="gpu-1", bmc_password="old")
    browser = client_of(Role.GENERAL)
    bulk = carry_out(browser, dry_run(browser, Backend, "name,bmc_user,bmc_password\ngpu-1,'=root,'@dmin\n"))
    row = Bmc.objects.get(backend=node)
    assert (bulk.done, row.user, row.password) == (1, "'=root", "'@dmin")


NOUNS = (Token, TokenGroup, SdaModel, SdaModelGroup, Backend, BackendGroup)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "RUN_S", 600.0)


@pytest.mark.only_sqlite  # what is written into a file does not depend on the database
@pytest.mark.django_db
@pytest.mark.usefixtures("static_files", "patient")
@given(st.lists(GOOD, min_size=3, max_size=12, unique=True))
@example([text for text in NASTY if text.strip() and not problem_of(text)])
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_our_own_files_change_nothing(texts: list[str]) -> None:
    _empty()
    texts = list(dict.fromkeys(text.strip() for text in texts))  # as they are stored
    tokens = [make.token(description=text) for text in texts]
    for text, token in zip(texts, tokens, strict=True):
        model = make.sda_model(name=text, description=text)
        group = create_token_group(name=text, description=text, tokens=[token], actor=make.ACTOR)
        pool = create_backend_group(name=text, description=text, actor=make.ACTOR)
        make.backend(1, name=text, description=text, device_model=text[:64], group=pool)
        kinds = {"backend_group": pool, "models": [model], "description": text}
        create_membership(group, create_sda_model_group(name=text, actor=make.ACTOR, **kinds), actor=make.ACTOR)  # type: ignore[arg-type]
    browser = client_of(Role.GENERAL)
    for noun in NOUNS:
        for kind in ("csv", "json"):
            told = _imported(browser, noun, kind)
            assert {fate for fate in told if fate != ("SKIPPED", "Unchanged.")} == set(), (noun, kind)
            assert len(told) == noun.objects.count(), (noun, kind)


def _imported(browser: Client, noun: Any, kind: str) -> list[tuple[str, str]]:
    answer: Any = browser.get(address(noun, "changelist") + f"export.{kind}")
    dry = dry_run(browser, noun, b"".join(answer.streaming_content))
    work.carry_on(dry.pk)
    return fates(dry)


def _empty() -> None:
    """Remove the rows of the example before: a test's transaction lasts for all of them."""

    Membership.objects.all().delete()
    for model in (SdaModelGroup, SdaModel, TokenGroup, Token, Device, Bmc, Agent, Backend):
        model.objects.all().delete()
    BackendGroup.objects.exclude(pk=0).delete()


def test_a_workbook_holds_texts_as_texts() -> None:
    texts = [*NASTY, "a\x1bb", "\x00", "\ufffe", "_x0041_"]
    with ZipFile(BytesIO(workbook({"lines": [texts]}))) as packed:
        strings = packed.read("xl/sharedStrings.xml").decode()
        sheet = packed.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "한글" in strings
    assert len(ElementTree.fromstring(strings)) == len(texts)  # noqa: S314 - our own
