"""No secret leaves by the logs, whatever its field is called and wherever it stands."""

import json
import logging
from io import StringIO

import pytest
import structlog
from cryptography.fernet import Fernet
from django.conf import settings
from django.db import OperationalError, ProgrammingError

from core.crypto import new_secret
from core.masking import masked, masked_text

TOKEN = "Xk3pV0m9Qe7bTz1Lw5Rj8Yc2Ns6Hd4GfAuKiBoMlPxE"  # 43 characters, as new_secret makes them

MASKED: dict[str, tuple[str, str]] = {
    "a token in a request line": ("GET /api/v2/sda?token=abc&x=1 HTTP/1.1", "GET /api/v2/sda?token=***&x=1 HTTP/1.1"),
    "a login in a request line": ("PUT /backend?user=root&pwd=calvin", "PUT /backend?user=root&pwd=***"),
    "an authorization header": ("authorization: Bearer 0123456789abcdef", "authorization: Bearer ***"),
    "a password in JSON": ('{"password": "calvin", "id": 1}', '{"password": "***", "id": 1}'),
    "a password in Python's spelling": ("{'password': 'calvin'}", "{'password': '***'}"),
    "a password in an address": (
        "cannot reach postgresql://moreh:calvin@db/x",
        "cannot reach postgresql://moreh:***@db/x",
    ),
    "a bare token": (f"unknown {TOKEN}!", "unknown ***!"),
}
KEPT = {
    "the id of a token": "token_id=7 did it",
    "a digest": "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "a request id": "0b5f3c0e-7a1a-4c2b-9f0e-2f5b8d6f7a11",
    "a long snake name": "test_every_variable_that_the_server_reads_is_",
    "an ordinary address": "http://localhost:8000/admin/",
}


@pytest.fixture
def written() -> StringIO:
    """What the configured handler writes."""
    return StringIO()


@pytest.fixture(autouse=True)
def _handler(written: StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the real formatter of the settings write into a buffer."""
    (handler,) = [it for it in logging.getLogger().handlers if it.get_name() == "stderr"]
    assert isinstance(handler, logging.StreamHandler)
    monkeypatch.setattr(handler, "stream", written)


@pytest.mark.parametrize("case", MASKED)
def test_text_is_masked(case: str) -> None:
    given, wanted = MASKED[case]
    assert masked_text(given) == wanted


@pytest.mark.parametrize("case", KEPT)
def test_ordinary_text_is_kept(case: str) -> None:
    assert masked_text(KEPT[case]) == KEPT[case]


def test_every_secret_that_we_make_has_the_masked_shape() -> None:
    made = [new_secret() for _ in range(500)] + [Fernet.generate_key().decode() for _ in range(500)]
    assert {masked_text(f"found {secret} here") for secret in made} == {"found *** here"}


def test_fields_are_masked_by_name_at_any_depth() -> None:
    given = {"bmc": {"user": "root", "password": "calvin", "port": 623}, "keys": [{"node_key": "x"}], "token_id": 4}
    wanted = {"bmc": {"user": "root", "password": "***", "port": 623}, "keys": [{"node_key": "***"}], "token_id": 4}
    assert masked(given) == wanted


def test_a_structlog_event_is_one_json_line_without_secrets(written: StringIO) -> None:
    structlog.get_logger("backends").warning(
        "login_refused", node="gpu-01", password="calvin", url="ipmi://root:calvin@h"
    )
    line = json.loads(written.getvalue())
    assert {key: line[key] for key in ("event", "level", "logger", "node", "password", "url")} == {
        "event": "login_refused",
        "level": "warning",
        "logger": "backends",
        "node": "gpu-01",
        "password": "***",
        "url": "ipmi://root:***@h",
    }


def test_a_library_s_message_and_its_traceback_are_masked_too(written: StringIO) -> None:
    try:
        raise ValueError(f"bad token={TOKEN}")
    except ValueError:
        logging.getLogger("django.request").exception("Bad Request: %s", f"/api/v2/sda?token={TOKEN}")
    line = json.loads(written.getvalue())
    assert line["event"] == "Bad Request: /api/v2/sda?token=***"
    assert "ValueError: bad token=***" in line["exception"]
    assert TOKEN not in written.getvalue()


def test_our_own_keys_never_get_out(written: StringIO) -> None:
    logging.getLogger("x").warning("settings: %r", {"MOREH_ENCRYPTION_KEYS": settings.MOREH_ENCRYPTION_KEYS})
    assert settings.MOREH_ENCRYPTION_KEYS[0] not in written.getvalue()


@pytest.mark.parametrize(("error", "traced"), [(OperationalError("away"), False), (ProgrammingError("a bug"), True)])
def test_an_outage_is_named_and_a_bug_is_traced(error: Exception, traced: bool, written: StringIO) -> None:
    try:
        raise error
    except Exception as caught:
        structlog.get_logger("outages").warning("it_failed", exc_info=caught)
        logging.getLogger("outages").exception("it failed")
    lines = written.getvalue().splitlines()
    assert ["Traceback" in line for line in lines] == [traced, traced]
    assert [json.loads(line).get("error") for line in lines] == [None if traced else "OperationalError"] * 2
