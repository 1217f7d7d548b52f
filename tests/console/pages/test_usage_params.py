"""Query strings of the usage page: ranges, errors, and what does not exist."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from accounts.choices import Role
from tests.admin_world import client_of
from tests.console.pages.usage_data import CHART, FILE, PAGE, TWO_HOURS, read, two_customers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


WRONG = {
    "no start": ({"start": ""}, "start", "A time is missing."),
    "a day that is not": ({"start": "2024-02-30T00:00"}, "start", "Write it as YYYY-MM-DD HH:MM."),
    "a start in the future": (
        {"start": "2999-01-01T00:00", "end": "2999-02-01T00:00"},
        "start",
        "This time has not come yet.",
    ),
    "long ago": ({"start": "1999-12-31T00:00"}, "start", "Nothing was measured before the year 2000."),
    "an end before the start": ({"end": "2024-03-11T18:30"}, "end", "The end must be after the start."),
    "an end without a meaning": ({"end": "tomorrow"}, "end", "Write it as YYYY-MM-DD HH:MM."),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_bad_date_has_an_error_at_its_field_and_shows_no_figures(case: str) -> None:
    params, field, problem = WRONG[case]
    two_customers()
    browser = client_of(Role.READ_ONLY)
    text = read(browser, **params).content.decode()
    assert f'<span class="mc-wrong" id="id_{field}_error">{problem}</span>' in text
    assert re.search(rf'<input type="[a-z-]+" name="{field}"[^>]*aria-invalid="true"', text)
    assert "<table" not in text
    assert "Nothing is shown, because the range is not valid." in text
    for address in (CHART, FILE + "csv"):
        assert browser.get(address, {**TWO_HOURS, **params}).status_code == 400
    assert browser.get(FILE + "csv", {**TWO_HOURS, **params}).content.decode() == problem


STRANGE = {
    "a token that never was": ({"token": "999999"}, 404),
    "a token that is no number": ({"token": "1;drop"}, 404),
    "a number beyond the database": ({"group": "9" * 40}, 404),
    "an unknown breakdown": ({"by": "colour"}, 200),
    "an unknown range": ({"range": "fortnight"}, 200),
    "a page that is none": ({"page": "x"}, 200),
}


@pytest.mark.parametrize("case", STRANGE)
def test_strange_parameters_do_no_harm(case: str) -> None:
    params, status = STRANGE[case]
    two_customers()
    assert client_of(Role.READ_ONLY).get(PAGE, {**TWO_HOURS, **params}).status_code == status


def test_ranges_have_names_and_an_empty_range_has_a_message() -> None:
    two_customers()
    browser = client_of(Role.READ_ONLY)
    for name in ("today", "7d", "month"):
        assert "=HYPERLINK(1)" in browser.get(PAGE, {"range": name}).content.decode()
    text = read(browser, start="2023-01-01T00:00", end="2023-02-01T00:00").content.decode()
    assert "No device was held in this range." in text
    usual = browser.get(PAGE)
    assert usual.context["params"].range == "7d"


def test_an_end_in_the_future_is_cut_to_now() -> None:
    two_customers()
    answer = read(client_of(Role.READ_ONLY), end="2999-01-01T00:00")
    period = answer.context["period"]
    assert period.end - period.start > timedelta(days=1)
    assert period.end.year < 2999


@pytest.mark.parametrize("address", [PAGE, CHART, FILE + "csv"])
def test_strangers_are_redirected_to_the_login(address: str) -> None:
    answer = Client().get(address)
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={address}")
