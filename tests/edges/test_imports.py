"""Cells of imports at their edges: what cannot be read is refused with its column, as CSV holds it and as JSON does."""

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Model

from core.admin.importing import IMPORTERS
from core.errors import DomainError
from core.stored_text import refusal_json
from core.table_files import read_table
from core.texts import LONGEST
from tests import make
from tests.admin_world import nouns
from tests.edges.values import EDGES
from tokens.models import Token, TokenGroup

pytestmark = pytest.mark.django_db
JSON: tuple[Any, ...] = (
    *EDGES,
    math.inf,
    -math.inf,
    math.nan,
    1e300,
    1.5,
    -1,
    2**31,
    2**63,
    2**64,
    10**25,
    True,
    None,
    [],
    {},
    [math.inf],
)
GOOD: dict[str, dict[str, Any]] = {
    "backends.Backend": {"name": "n", "ip": "10.0.0.1", "bmc_ip": "127.0.0.1"},
    "backends.BackendGroup": {"name": "n"},
    "sda.Membership": {"user_group": "n", "sda_model_group": "n"},
    "sda.SdaModel": {"name": "n", "num_devices": 1},
    "sda.SdaModelGroup": {"name": "n", "backend_group": "default_backend_group"},
    "tokens.Token": {"description": "n"},
    "tokens.TokenGroup": {"name": "n"},
}


@pytest.mark.parametrize("index", [-(2**31), 2**31 - 1])
def test_every_number_that_a_form_takes_is_read_from_a_file(index: int) -> None:
    IMPORTERS[TokenGroup].carry_out(make.ACTOR, {"cells": {"name": "n", "index": str(index)}})
    assert TokenGroup.objects.get().index == index


def test_no_cell_is_a_fault_of_the_server() -> None:
    assert {model._meta.label for model in IMPORTERS} == set(GOOD)
    for model, importer in IMPORTERS.items():
        for column in importer.columns:
            for value in JSON:
                line = {"cells": {**GOOD[model._meta.label], column.name: value}}
                with transaction.atomic():
                    with suppress(DomainError):
                        importer.carry_out(make.ACTOR, line)
                    transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def registered() -> None:
    """The imports of all apps, which their admins register."""
    assert nouns()


REFUSED = {
    "a number with an exponent": (Token, "priority", "1e999"),
    "infinity": (Token, "priority", "Infinity"),
    "no number": (Token, "priority", "NaN"),
    "20 digits": (Token, "priority", "99999999999999999999"),
    "an id of 20 digits": (Token, "id", "99999999999999999999"),
    "an index of 20 digits": (TokenGroup, "index", "99999999999999999999"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_number_that_is_too_big_is_named(case: str) -> None:
    model, column, written = REFUSED[case]
    known = GOOD[model._meta.label]
    as_json = f'[{{{json.dumps(known)[1:-1]}, "{column}": {written}}}]'
    as_csv = f"{','.join(known)},{column}\n{','.join(map(str, known.values()))},{written}\n"
    for file in (as_json, as_csv):
        _columns, (line,) = read_table(file.encode())
        with pytest.raises(DomainError) as caught:
            IMPORTERS[model].carry_out(make.ACTOR, {"cells": line.cells})
        assert {name: [str(said) for said in told] for name, told in caught.value.details.items()} == {  # type: ignore[attr-defined]
            column: ["It cannot be read."]
        }


@pytest.mark.parametrize("written", ["1e999", "-1e999", "NaN", "Infinity", "true", '{"A": 1e999}'])
@pytest.mark.parametrize(("model", "column"), [(Token, "description"), (Token, "env"), (TokenGroup, "name")])
def test_what_is_no_text_is_named(model: type[Model], column: str, written: str) -> None:
    known = {**GOOD[model._meta.label], column: None}
    as_json = json.dumps([known]).replace("null", written)
    _columns, (line,) = read_table(as_json.encode())
    with pytest.raises(DomainError) as caught:
        IMPORTERS[model].carry_out(make.ACTOR, {"cells": line.cells})
    details = caught.value.details
    assert column in details or details == {"parameter": column}
    assert not model._default_manager.exists()


@pytest.mark.parametrize("member", ["99999999999999999999", "abc", "1e999", "\xb2", 1e300, math.inf, math.nan])
def test_a_member_that_is_no_token_is_named(member: Any) -> None:
    line = {"cells": {"name": "team", "members": [member]}}
    with pytest.raises(DomainError) as caught:
        IMPORTERS[TokenGroup].carry_out(make.ACTOR, line)
    told: Any = caught.value.details["members"]
    infinite = isinstance(member, float) and not math.isfinite(member)
    wanted = ["It cannot be read."] if infinite else ["There is no such object.", str(member)]
    assert [str(said) for said in told] == wanted


@pytest.mark.parametrize("members", [[*range(1, 300_000)], ";".join(map(str, range(1, 150_000)))], ids=["JSON", "CSV"])
def test_a_list_that_is_longer_than_a_statement_is_named(members: Any) -> None:
    with pytest.raises(DomainError) as caught:
        IMPORTERS[TokenGroup].carry_out(make.ACTOR, {"cells": {"name": "team", "members": members}})
    told: Any = caught.value.details
    assert {name: [str(said) for said in each] for name, each in told.items()} == {"members": ["It cannot be read."]}


def test_what_is_kept_of_a_refusal_is_short() -> None:
    with pytest.raises(DomainError) as caught:
        IMPORTERS[TokenGroup].carry_out(make.ACTOR, {"cells": {"name": "team", "members": ["x" * 1_000_000]}})
    assert refusal_json(caught.value)["details"] == {"members": ["There is no such object.", "x" * LONGEST]}
