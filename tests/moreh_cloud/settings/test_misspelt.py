"""A misspelt variable is told, with the one that may be meant, by the check and by `up`."""

import io
from typing import Any

import pytest
from django.core.management import call_command

from moreh_cloud.apps import check_variables, unknown_variable
from moreh_cloud.settings.misspelt import unknown
from tests.moreh_cloud.settings.test_documentation import documented

CASES = {
    "a letter that is missing": ("MOREH_HTP_PORT", "MOREH_HTTP_PORT"),
    "two letters the other way round": ("MOREH_TWO_FACTRO", "MOREH_TWO_FACTOR"),
    "a variable of the commands": ("MOREH_ADMIN_PASWORD", "MOREH_ADMIN_PASSWORD"),
    "nothing that is like any": ("MOREH_SOMETHING_ELSE_ALTOGETHER", ""),
}


@pytest.mark.parametrize(("name", "meant"), CASES.values(), ids=CASES)
def test_a_misspelt_variable_is_found(name: str, meant: str) -> None:
    assert unknown(["PATH", "MOREH_HTTP_PORT", name]) == [(name, meant)]


def test_every_documented_variable_and_those_of_our_programs_are_known() -> None:
    assert unknown([*documented(), "MOREH_TOKEN", "MOREH_TEST_FUZZ_CASES", "PATH"]) == []


def test_the_check_names_both(settings: Any) -> None:
    settings.MOREH_UNKNOWN = [("MOREH_HTP_PORT", "MOREH_HTTP_PORT")]
    told = "MOREH_HTP_PORT is no setting of ours and is ignored. Is MOREH_HTTP_PORT meant? See docs/settings.md."
    assert [(warning.id, warning.msg) for warning in check_variables(None)] == [("moreh.W001", told)]
    said = io.StringIO()
    call_command("check", stderr=said)
    assert told in said.getvalue()


def test_where_nothing_is_like_it_nothing_is_guessed() -> None:
    assert unknown_variable("MOREH_X", "") == "MOREH_X is no setting of ours and is ignored. See docs/settings.md."
