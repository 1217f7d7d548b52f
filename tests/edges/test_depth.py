"""JSON that is nested too deeply is refused by its name in every interface that reads JSON."""

import json
from typing import Any

import pytest

from accounts.choices import Role
from core.admin.importing import IMPORTERS
from core.errors import DomainError
from core.table_files import read_table
from tests import make
from tests.admin_world import nouns
from tests.api import V2, client, refused
from tokens.models import Token, TokenGroup

pytestmark = pytest.mark.django_db
TOO_DEEP = "It is nested too deeply."
LISTS = {levels: "[" * levels + "]" * levels for levels in (33, 450)}
OBJECTS = {levels: '{"A":' * levels + "1" + "}" * levels for levels in (33, 450)}


@pytest.mark.parametrize("value", [*LISTS.values(), *OBJECTS.values()], ids=len)
@pytest.mark.parametrize("parameter", ["desc", "env"])
def test_a_parameter_of_a_body_is_named(parameter: str, value: str) -> None:
    body = f'{{"desc": "x", "{parameter}": {value}}}'
    answer = client(Role.GENERAL).generic("POST", f"{V2}/token", body, content_type="application/json")
    assert refused(answer) == (400, "INVALID_PARAMETER", [parameter])
    assert answer.json()["details"] == {parameter: [TOO_DEEP]}
    assert not Token.objects.exists()


def test_an_environment_that_is_text_is_named() -> None:
    sent = {"desc": "x", "env": '{"A":' * 5_000}
    answer = client(Role.GENERAL).post(f"{V2}/token", sent, format="json")
    assert refused(answer) == (400, "INVALID_PARAMETER", ["env"])


@pytest.mark.parametrize("row", [LISTS[33], LISTS[450], OBJECTS[450]], ids=len)
def test_a_row_of_a_file_is_refused(row: str) -> None:
    _columns, (good, bad) = read_table(f'[{{"description": "x"}}, {{"description": {row}}}]'.encode())
    assert (good.cells, good.problem) == ({"description": "x"}, "")
    assert (bad.cells, bad.problem) == ({}, TOO_DEEP)


CELLS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "a list that never ends": (TokenGroup, {"name": "team", "members": "[" * 50_000}, "It cannot be read."),
    "a list in lists": (TokenGroup, {"name": "team", "members": LISTS[450]}, "It cannot be read."),
    "an object that never ends": (Token, {"description": "x", "env": '{"A":' * 50_000}, "It cannot be read."),
    "an object in objects": (Token, {"description": "x", "env": OBJECTS[450]}, "It cannot be read."),
    "as JSON": (Token, {"description": "x", "env": json.loads(OBJECTS[450])}, TOO_DEEP),
}


@pytest.mark.parametrize("case", CELLS)
def test_a_cell_is_named(case: str) -> None:
    model, cells, said = CELLS[case]
    assert nouns()
    with pytest.raises(DomainError) as caught:
        IMPORTERS[model].carry_out(make.ACTOR, {"cells": cells})
    column = "members" if model is TokenGroup else "env"
    assert {name: [str(one) for one in told] for name, told in caught.value.details.items()} == {column: [said]}  # type: ignore[attr-defined]
