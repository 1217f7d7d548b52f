"""Test data of the usage page, and how its tables and files are read."""

import csv
import io
import re
from typing import Any

from django.test import Client

from tests import make
from tests.console.allocations import HOUR, NINE, hold
from tokens.models import Token
from usage.services import recount_hours

PAGE, CHART, FILE = "/admin/console/usage/", "/admin/console/usage/chart", "/admin/console/usage/file."


TWO_HOURS = {"range": "free", "start": "2024-03-11T18:30", "end": "2024-03-11T20:30"}  # of Seoul: 9:30 to 11:30


NOTHING = "\u2013"


CELL = re.compile(r"<t[dh][^>]*>(?:<a [^>]*>)?([^<]*)")


def two_customers() -> tuple[Token, Token]:
    """Return two customers: one held a device twice for an hour, the other held two devices for an hour."""
    node, first, second = make.backend(4), make.token(description="=HYPERLINK(1)"), make.token(description="둘째")
    hold(first, node, NINE, NINE + HOUR, index=0)
    hold(first, node, NINE + 2 * HOUR, None, index=0, with_job=False)
    for index in (1, 2):
        hold(second, node, NINE + HOUR, NINE + 2 * HOUR, index=index)
    recount_hours(NINE, NINE + HOUR, actor=make.ACTOR)
    recount_hours(NINE + HOUR, NINE + HOUR + HOUR, actor=make.ACTOR)
    return first, second


def read(browser: Client, **params: Any) -> Any:
    answer: Any = browser.get(PAGE, {**TWO_HOURS, **params})
    assert answer.status_code == 200
    return answer


def table(answer: Any) -> list[list[str]]:
    body = answer.content.decode().partition("<tbody>")[2].partition("</table>")[0]
    return [[cell.strip() for cell in CELL.findall(row)] for row in body.split("</tr>") if "<td" in row]


def export(browser: Client, kind: str = "csv", **params: Any) -> Any:
    answer: Any = browser.get(FILE + kind, {**TWO_HOURS, **params})
    assert answer.status_code == 200
    return answer


def lines(answer: Any) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:])))
