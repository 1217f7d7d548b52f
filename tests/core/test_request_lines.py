"""Log lines about requests: one line for what a client did wrong, and no secrets out of paths."""

import json
import logging
import sys
from collections.abc import Iterator
from io import StringIO
from logging.config import dictConfig

import pytest
from django.conf import settings
from django.test import Client

from accounts.choices import Role
from core.request_lines import RequestLines, masked_path
from tests.admin_world import client_of

PATHS = {
    "/api/v2/nosuch/BmcPlntPathQ": "/api/v2/***/***",
    "/api/v2/token": "/api/v2/token",
    "/admin/tokens/token/17/change/": "/admin/tokens/token/17/change/",
    "/admin/tokens/token/abc/rotate/": "/admin/tokens/token/***/rotate/",
    "/accounts/password/Kim's secret": "/accounts/password/***",
    "/livez": "/livez",
    "/": "/",
    "": "",
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_keeps_the_words_of_our_addresses_and_numbers(path: str) -> None:
    assert masked_path(path) == PATHS[path]


@pytest.fixture
def written() -> Iterator[StringIO]:
    """What the handler of the settings writes, whatever earlier tests have made of loggers."""
    dictConfig(settings.LOGGING)
    (handler,) = (one for one in logging.getLogger().handlers if isinstance(one, logging.StreamHandler))
    stream = StringIO()
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
def test_what_is_refused_or_not_there_writes_one_line_without_what_was_typed(written: StringIO) -> None:
    Client().get("/api/v2/nosuch/BmcPlntPathQ?password=BmcPlntQueryQ")
    Client().get("/admin/nosuch/BmcPlntPathQ/")
    client_of(Role.READ_ONLY).get("/admin/tokens/token/add/")
    Client().get("/livez", headers={"host": "evil.example.com"})
    Client().delete("/accounts/reset/")
    lines = [json.loads(line) for line in written.getvalue().splitlines() if '"django.' in line]
    assert [(line["event"], "exception" in line) for line in lines] == [
        ("Not Found: /api/v2/***/***", False),
        ("Forbidden (Permission denied): /admin/tokens/token/add/", False),
        (
            "Invalid HTTP_HOST header: 'evil.example.com'. You may need to add 'evil.example.com' to ALLOWED_HOSTS.",
            False,
        ),
        ("Method Not Allowed (DELETE): /accounts/reset/", False),
    ]


def record(logger: str, message: object, *args: object, **extra: object) -> logging.LogRecord:
    try:
        raise ValueError
    except ValueError:
        made = logging.LogRecord(logger, logging.ERROR, "", 0, message, args, sys.exc_info())
    made.__dict__.update(extra)
    return made


GUNICORN = {
    "a line that cannot be read": (
        ("Invalid request from ip=::1: Invalid HTTP request line: 'GET /token/Plnt x'",),
        "Invalid request from ip=::1",
    ),
    "an error of ours": (("Error handling request %s %s", "GET", "/api/v2/x/Plnt?key=Plnt"), "GET /api/v2/***/***"),
    "anything else": (("Booting worker with pid: %s", 7), "Booting worker with pid: 7"),
}


@pytest.mark.parametrize("case", GUNICORN)
def test_lines_of_gunicorn_do_not_repeat_what_a_client_sent(case: str) -> None:
    words, wanted = GUNICORN[case]
    made = record("gunicorn.error", *words)
    assert RequestLines().filter(made) is True
    assert made.getMessage().removeprefix("Error handling request ") == wanted


def test_an_error_of_ours_keeps_its_traceback() -> None:
    ours = record("django.request", "%s: %s", "Internal Server Error", "/", status_code=500)
    RequestLines().filter(ours)
    assert ours.exc_info is not None
