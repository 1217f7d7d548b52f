"""Files of the import: which are read, which are refused, and which rows of them."""

import json

import pytest
from django.test import Client

from bulk.models import BulkAction
from sda.models import SdaModel
from tests.admin_world import address
from tests.bulk.imports import carry_out, dry_run, fates, send
from tokens.models import Token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files", "patient")]
ROWS = {
    "a number that is none": ("id,description,priority\n,a,many\n", "priority"),
    "a number beyond its bounds": ("id,description,priority\n,a,100\n", "priority"),
    "a number beyond the database": ("id,description,max_sda_count\n,a,99999999999999999999\n", "max_sda_count"),
    "a broken number in the key": ("id,description\nx,a\n", "id"),
    "a choice that is none": ("id,description,access_level\n,a,KING\n", "access_level"),
    "nothing where something is needed": ('[{"description": ""}]', "description"),
    "a text that is too long": (f"id,description\n,{'x' * 513}\n", "description"),
    "an unknown group": ("id,description,groups\n,a,nobody\n", "groups"),
    "a document that is none": ("id,description,env\n,a,{\n", "env"),
    "what the service refuses": ("id,description,max_sda_count,max_duplicates\n,a,2,3\n", "max_duplicates"),
    "an object of another type": ('[{"description": {"a": 1}}]', "description"),
    "too many cells": ("id,description\n,a,b\n", "more cells"),
    "too few cells": ("id,description\nx\n", "fewer cells"),
    "no object": ('[1, {"description": "a"}]', "not an object"),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_row_that_is_refused_names_the_column(browser: Client, case: str) -> None:
    text, names = ROWS[case]
    state, message = fates(dry_run(browser, Token, text))[0]
    assert (state, names in message) == ("FAILED", True), message
    assert not Token.objects.exists()


KOREAN = "name,num_devices,description\n한글,1,설명\n"
ENCODINGS = {
    "UTF-8": KOREAN.encode(),
    "UTF-8 with a mark": KOREAN.encode("utf-8-sig"),
    "CP949": KOREAN.encode("cp949"),
    "EUC-KR": KOREAN.encode("euc-kr"),
    "UTF-16 with a mark": KOREAN.encode("utf-16"),
    "UTF-16, little end first": KOREAN.encode("utf-16-le"),
    "UTF-16, big end first": KOREAN.encode("utf-16-be"),
    "semicolons": KOREAN.replace(",", ";").encode(),
    "tabs and lines of Windows": KOREAN.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"),
    "JSON": json.dumps([{"name": "한글", "num_devices": 1, "description": "설명"}]).encode(),
}


@pytest.mark.parametrize("case", ENCODINGS)
def test_whatever_program_wrote_it(browser: Client, case: str) -> None:
    carry_out(browser, dry_run(browser, SdaModel, ENCODINGS[case]))
    assert list(SdaModel.objects.values_list("name", "description")) == [("한글", "설명")]


def test_a_formula_comes_in_as_the_text_that_it_is(browser: Client) -> None:
    carry_out(browser, dry_run(browser, SdaModel, "name,num_devices,description\na,1,'=1+1\nb,1,=2+2\nc,1,'tis\n"))
    assert sorted(SdaModel.objects.values_list("description", flat=True)) == ["'tis", "=1+1", "=2+2"]


REFUSED = {
    "no file": (None, "Choose a file."),
    "an empty file": (b" \n", "The file is empty."),
    "columns alone": (b"name,num_devices\n", "The file has columns, but no rows."),
    "an unknown column": (b"name,num_devices,colour\na,1,red\n", "These columns are not known. (columns: colour"),
    "no key": (b"num_devices\n1\n", "These columns are needed. (columns: name)"),
    "a column twice": (b"name,num_devices,name\na,1,b\n", "A column is there twice. (columns: name)"),
    "broken CSV": (b'name,num_devices\n"a"b,1\n', "This is not CSV. (line: 2)"),
    "broken JSON": (b'[{"name": }]', "This is not JSON. (line: 1)"),
    "JSON of another shape": (b'{"name": "a"}', "The JSON must be a list of objects."),
    "a picture": (b"\x89PNG\r\n\x1a\n\xff\x00\xff\x81" * 9, "The encoding is not known."),
    "too many rows": (b"name,num_devices\n" + b"a,1\n" * 20_001, "The file has more than 20,000 rows."),
    "a million rows": (b"name,num_devices\n" + b"some-name,1\n" * 1_000_000, "The file is larger than 10 MB."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_refused_says_why(browser: Client, case: str) -> None:
    data, says = REFUSED[case]
    page = address(SdaModel, "changelist") + "import/"
    answer = browser.post(page) if data is None else send(browser, SdaModel, data)
    assert answer.status_code == 200
    assert says in answer.context["problem"]
    assert not BulkAction.objects.exists()
