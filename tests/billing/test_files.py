"""A statement as a file, read back: CSV, JSON, a workbook and a page to print."""

import csv
import json
from io import BytesIO, StringIO
from typing import Any
from xml.etree import ElementTree as Xml
from zipfile import ZipFile

import pytest
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from billing.files.tables import head_of
from billing.files.workbook import workbook
from billing.models import Statement
from billing.services.statements import correct_statement, make_statements
from scheduler.models import Allocation
from tests import make
from tests.admin_world import client_of
from tests.billing.world import HOUR, MARCH, START, close, hold, price

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
NAME = '=HYPERLINK("x") <b>&한글'


@pytest.fixture
def statement() -> Statement:
    """An hour and a half at 1,000.5 and a second without a price, of who would be a formula."""
    sda = make.sda(description=NAME)
    hold(sda, START, START + 1.5 * HOUR)
    hold(sda, START, START + HOUR / 3600, device_model="MI300")
    price("1000.5", device_model="MI250")
    close()
    make_statements(MARCH, actor=make.ACTOR, issue=True)
    return Statement.objects.get()


def body(statement: Statement, kind: str, query: str = "", **more: Any) -> bytes:
    address = reverse(f"admin:billing_statement_{kind}", args=[statement.pk])
    answer = client_of(Role.READ_ONLY).get(address + query, **more)
    assert answer.status_code == 200
    return answer.content


def test_as_csv(statement: Statement) -> None:
    text = body(statement, "csv").decode()
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(StringIO(text[1:], newline="")))
    assert rows[0]["customer"] == f"'{NAME}"
    figures = ("number", "device_model", "device_ms", "reserved_ms", "device_hours", "unit_price", "amount")
    assert [tuple(row[name] for name in figures) for row in rows] == [
        (statement.number, "MI250", "5400000", "5400000", "1.500", "1000.500000", "1501"),
        (statement.number, "MI300", "1000", "1000", "0.000", "", "0"),
    ]


def test_a_correction_below_zero_stays_a_number(statement: Statement) -> None:
    Allocation.objects.filter(device__model="MI250").delete()
    close()
    correction = correct_statement(statement, actor=make.ACTOR)
    assert correction
    (row,) = csv.DictReader(StringIO(body(correction, "csv").decode()[1:], newline=""))
    told = (row["kind"], row["corrects"], row["device_ms"], row["device_hours"], row["amount"])
    assert told == ("CORRECTION", statement.number, "-5400000", "-1.500", "-1501")
    listed = client_of(Role.READ_ONLY).get(reverse("admin:billing_statement_changelist") + "export.csv?kind=CORRECTION")
    (row,) = csv.DictReader(StringIO(b"".join(listed.streaming_content).decode()[1:], newline=""))  # type: ignore[attr-defined]
    assert (row["total"], row["device_hours"], row["month"]) == ("-1501", "-1.500", "2025-03")


def test_as_json_money_is_text(statement: Statement) -> None:
    found = json.loads(body(statement, "json"))
    assert (found["number"], found["customer"], found["currency"], found["total"]) == (
        statement.number, NAME, "KRW", "1501",
    )  # fmt: skip
    assert (found["from"], found["until"]) == ("2025-03-01T00:00:00.000+09:00", "2025-04-01T00:00:00.000+09:00")
    assert [(line["unit_price"], line["amount"], line["device_ms"]) for line in found["lines"]] == [
        ("1000.500000", "1501", 5_400_000),
        (None, "0", 1000),
    ]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc", "America", "a\u2028"])
def test_a_zone_that_is_not_known_stops_no_file(zone: str, statement: Statement) -> None:
    statement.time_zone = zone
    assert (head_of(statement)["from"], head_of(statement)["time_zone"]) == ("2025-02-28T15:00:00.000+00:00", zone)


def test_as_a_workbook_texts_are_texts_and_numbers_numbers(statement: Statement) -> None:
    packed = body(statement, "xlsx")
    assert packed == body(statement, "xlsx")
    with ZipFile(BytesIO(packed)) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            assert not name.endswith(("xml", "rels")) or read_xml(archive.read(name)) is not None
        head, lines = (_cells(archive, number) for number in (1, 2))
        book = read_xml(archive.read("xl/workbook.xml"))
    assert [sheet.attrib["name"] for sheet in book.iter(f"{SHEET}sheet")] == ["statement", "lines"]
    assert dict(head)["customer"] == NAME
    assert (dict(head)["total"], dict(head)["corrects"]) == (1501.0, None)
    assert lines[0][-2:] == ["unit_price", "amount"]
    assert [line[-2:] for line in lines[1:]] == [[1000.5, 1501.0], [None, 0.0]]


@pytest.mark.parametrize("text", ["<r>&</r>", "<r></r>", "<r><t>x</t></r>", "<r> _x0041_ </r>", "_x0041_", " a ", "=1"])
def test_a_text_of_a_workbook_that_looks_like_its_xml_stays_a_text(text: str) -> None:
    with ZipFile(BytesIO(workbook({"one": [("customer", text)]}))) as archive:
        ((_name, read),) = _cells(archive, 1)
    assert read.replace("_x005F", "") == text  # how a workbook writes "_x0041_", which it would take for "A"


def read_xml(text: bytes) -> Xml.Element:
    return Xml.fromstring(text)  # noqa: S314 - our own


def _cells(archive: ZipFile, number: int) -> list[list[Any]]:
    """Read a sheet; a cell that is not there is None."""
    texts = ["".join(text.itertext()) for text in read_xml(archive.read("xl/sharedStrings.xml")).iter(f"{SHEET}si")]
    rows = [
        {str(cell.get("r")).rstrip("0123456789"): _value(cell, texts) for cell in row}
        for row in read_xml(archive.read(f"xl/worksheets/sheet{number}.xml")).iter(f"{SHEET}row")
    ]
    columns = sorted({name for row in rows for name in row}, key=lambda name: (len(name), name))
    return [[row.get(name) for name in columns] for row in rows]


def _value(cell: Xml.Element, texts: list[str]) -> Any:
    assert cell.find(f"{SHEET}f") is None
    number = cell.find(f"{SHEET}v")
    assert number is not None
    return texts[int(str(number.text))] if cell.get("t") == "s" else float(str(number.text))


PAPERS = {
    "?language=en": ("en", "Statement", "no price", "price of a device-hour"),
    "?language=ko": ("ko", "명세서", "단가 없음", "디바이스 시간당 단가"),
    "?language=xx": ("en", "Statement", "no price", "price of a device-hour"),
}


@pytest.mark.parametrize("query", PAPERS)
def test_on_paper(query: str, statement: Statement) -> None:
    language, *words = PAPERS[query]
    shown = body(statement, "paper", query, headers={"accept-language": "en"}).decode()
    assert f'<html lang="{language}">' in shown
    for text in (*words, statement.number, "1,501", "1,000.5", "=HYPERLINK(&quot;x&quot;) &lt;b&gt;&amp;한글"):
        assert text in shown, text
    assert 'class="draft"' not in shown


def test_a_draft_says_on_paper_that_it_is_one() -> None:
    hold(make.sda(), START, START + HOUR)
    close()
    make_statements(MARCH, actor=make.ACTOR)
    assert 'class="draft"' in body(Statement.objects.get(), "paper").decode()


def test_a_stranger_gets_none_of_them(statement: Statement) -> None:
    for kind in ("csv", "json", "xlsx", "paper"):
        answer = Client().get(reverse(f"admin:billing_statement_{kind}", args=[statement.pk]))
        assert (answer.status_code, "login" in answer.headers["Location"]) == (302, True)
