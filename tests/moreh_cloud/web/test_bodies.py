"""A body that comes in chunks counts like one with a length, on every method and address, through gunicorn."""

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.test import RequestFactory

from accounts.choices import Role
from accounts.models import Operator
from accounts.services.access import open_access
from moreh_cloud.web.bodies import with_length
from tests import make, services
from tests.moreh_cloud.web.server import ROOT
from tokens.models import Token, TokenGroup

FORM = "application/x-www-form-urlencoded"


class Asker:
    """A client that sends every body in chunks, short ones of three bytes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.headers: dict[str, str] = {}
        self.cookies: dict[str, str] = {}

    def __call__(self, method: str, path: str, body: str = "", kind: str = "application/json") -> tuple[int, str]:
        asking = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        own = {**self.headers, "Cookie": "; ".join(map("=".join, self.cookies.items()))}
        headers = {**own, "Content-Type": kind, "Transfer-Encoding": "chunked"}
        size = 3 if len(body) < 1_000 else 100_000
        pieces = [body[at : at + size].encode() for at in range(0, len(body), size)]
        asking.request(method, path, iter(pieces) if body else None, headers if body else own,
                       encode_chunked=bool(body))  # fmt: skip
        answer = asking.getresponse()
        text = answer.read().decode()
        for name, value in answer.getheaders():
            if name == "Set-Cookie":
                self.cookies |= [value.partition(";")[0].split("=", 1)]  # type: ignore[list-item]
        asking.close()
        return answer.status, text


def url_of_this_database() -> str:
    name = str(connection.settings_dict["NAME"])
    server = os.environ.get("DATABASE_URL", "")
    return f"{server.rpartition('/')[0]}/{name}" if server else f"sqlite:///{name}"


@pytest.fixture
def ask(transactional_db: None, static_files: None, tmp_path: Path) -> Iterator[Asker]:
    """Ask gunicorn as delivered, on the database of the test."""
    port = services.free_port()
    own = {"DATABASE_URL": url_of_this_database(), "MOREH_HTTP_PORT": str(port), "MOREH_LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "moreh_cloud.wsgi"]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **own}) as server:
        asker = Asker(port)
        for _try in range(200):
            with suppress(OSError):
                assert asker("GET", "/livez")[0] == 200
                break
            sleep(0.1)
        yield asker
        server.terminate()


def operator() -> Operator:
    made = make.operator(Role.MASTER, username="kim")
    made.password = PBKDF2PasswordHasher().encode("correct horse", "salt", 1)
    made.save()
    return made


@pytest.mark.only_sqlite  # the same on both, and slow
def test_what_is_in_the_chunks_is_carried_out(ask: Asker) -> None:
    kim = operator()
    credentials = {"id": "kim", "password": "correct horse"}
    assert ask("POST", "/api/v2/auth/token", json.dumps({**credentials, "password": "wrong"}))[0] == 401
    status, text = ask("POST", "/api/v2/auth/token", json.dumps(credentials))
    assert (status, json.loads(text)["code"]) == (200, "SUCCESS")
    ask.headers = {"Authorization": f"Bearer {open_access(kim, actor=make.ACTOR).value}"}
    path = "/api/v2/token"

    assert ask("POST", f"{path}?desc=from-query", json.dumps({"desc": "from-body", "priority": 77}))[0] == 200
    (token,) = Token.objects.all()
    assert (token.description, token.priority) == ("from-body", 77)
    assert ask("PUT", f"{path}?token={token.value}", urlencode({"priority": 5}), FORM)[0] == 200
    token.refresh_from_db()
    assert token.priority == 5
    refused: Any = json.loads(ask("POST", path, json.dumps({"priority": 1}))[1])
    assert (refused["code"], [*refused["details"]]) == ("INVALID_PARAMETER", ["desc"])
    assert ask("GET", path, json.dumps({"description": "nobody"}))[1] == "[]"
    assert ask("POST", path, json.dumps({"desc": "x" * 3_000_000}))[0] == 413
    assert ask("DELETE", path, json.dumps({"token": token.value}))[0] == 200
    assert list(Token.objects.live()) == []

    ask.headers = {}
    login = "/admin/login/?next=/admin/"
    page = ask("GET", login)[1]
    form = {"csrfmiddlewaretoken": _secret(page), "username": "kim", "password": "correct horse", "next": "/admin/"}
    assert ask("POST", login, urlencode(form), FORM)[0] == 302
    add = "/admin/tokens/tokengroup/add/"
    form = {"csrfmiddlewaretoken": _secret(ask("GET", add)[1]), "name": "from-form", "index": "0"}
    assert ask("POST", add, urlencode(form), FORM)[0] == 302
    assert [group.name for group in TokenGroup.objects.live()] == ["from-form"]


def _secret(page: str) -> str:
    """Return what a form must send back."""
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found is not None
    return found[1]


def test_a_server_that_does_not_know_where_the_input_ends_answers_411() -> None:
    environ = RequestFactory().post("/api/v2/token").environ | {"HTTP_TRANSFER_ENCODING": "chunked"}
    said: list[str] = []
    application = with_length(lambda _environ, _start: [b"reached"])
    assert b"".join(application(environ, lambda status, _headers: said.append(status))) != b"reached"
    assert said == ["411 Length Required"]
