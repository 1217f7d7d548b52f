"""Arguments of commands at their edges: one line that names the argument and an exit code, never a traceback."""

import os
import runpy
from argparse import Action
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, ManagementUtility, call_command, get_commands, load_command_class
from django.db import connection
from redis import RedisError

from accounts.models import Operator
from core.commands import BaseCommand, in_words
from core.errors import NotFound
from tests.edges.values import EDGES

pytestmark = pytest.mark.django_db(transaction=True)  # a command closes its connection
OURS = ("moreh_cloud", "scheduler", "usage", "billing", "accounts")
NOBODY = "\udcff"  # of an argument that is no UTF-8
GOOD = {
    "month": "2026-01",
    "start": "2026-01-01T00:00",
    "end": "2026-01-02T00:00",
    "username": "kim",
    "node": "node-01",
    "device": "0",
    "fault": "lost",
}
COUNTED = '"event": "requests_refused"'  # a thread's line about requests of the tests before, once a minute
BUILT_IN = {"help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color"}


def _lines(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Return what a command wrote on stderr."""
    return [line for line in capfd.readouterr().err.splitlines() if COUNTED not in line]


def commands() -> list[str]:
    return sorted(name for name, app in get_commands().items() if app in OURS)


def arguments(command: str) -> list[Action]:
    """Return what can be set of a command."""
    parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
    return [one for one in parser._actions if one.dest not in BUILT_IN and one.nargs != 0]


@pytest.fixture
def good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return a good value for what is required."""
    monkeypatch.setenv("MOREH_ADMIN_PASSWORD", "three green birds")
    monkeypatch.chdir(tmp_path)  # files that are named as a number
    nodes, jobs = tmp_path / "nodes.csv", tmp_path / "jobs.csv"
    nodes.write_text("sn,gpu\nn1,8\n")
    jobs.write_text("name,num_gpu,qos,creation_time,deletion_time,scheduled_time\na,0,LS,0,9,5\n")  # nothing to do
    return {**GOOD, "nodes": str(nodes), "jobs": str(jobs)}


def run(command: str, given: dict[str, str], actions: list[Action]) -> int:
    """Run a command as from the shell; return its exit code."""
    words = [
        f"{one.option_strings[-1]}={given[one.dest]}" for one in actions if one.option_strings and one.dest in given
    ]
    if places := [given[one.dest] for one in actions if not one.option_strings]:
        words += ["--", *places]
    try:
        ManagementUtility(["manage.py", command, *words]).execute()
    except SystemExit as end:
        return int(end.code or 0) if not isinstance(end.code, str) else 1
    return 0


@pytest.mark.only_postgresql  # the same on both, and slow
def test_no_value_of_an_argument_ends_in_a_traceback(good: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    seen = 0
    for command in commands():
        actions = arguments(command)
        for one in actions:
            for value in (*EDGES, NOBODY):
                capfd.readouterr()
                code = run(command, {**good, one.dest: value}, actions)
                said = _lines(capfd)
                assert (code != 0, len(said)) == (bool(said), min(len(said), 1)), (command, one.dest, value, said)
                seen += 1
    assert seen > 500


REFUSED = {
    "the first year of statements": (["make_statements", "0001-01"], "argument month: '0001-01' is not a month like"),
    "the last year of statements": (["make_statements", "9999-12"], "argument month: '9999-12' is not a month like"),
    "an hour that clocks repeated": (["recount_usage", "1988-10-09T02:30", "2026-01-01T00:00"], "argument start: In"),
    "the first year of usage": (["recount_usage", "0001-01-01", "2026-01-01"], "argument start: The time is out of"),
    "a number with an exponent": (["simulate", "--seed", "1e999"], "argument --seed: '1e999' is not a whole number"),
    "a name that is no UTF-8": (["reset_two_factor", NOBODY], "argument username: it is not UTF-8"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_argument_is_named(case: str, capfd: pytest.CaptureFixture[str]) -> None:
    words, said = REFUSED[case]
    with pytest.raises(SystemExit) as end:
        ManagementUtility(["manage.py", *words]).execute()
    (line,) = _lines(capfd)
    assert end.value.code == 2
    assert line.startswith(f"manage.py {words[0]}: error: {said}")
    assert not Operator.objects.exists()


@contextmanager
def without_table(name: str) -> Iterator[None]:
    """Let a table be away, as in a database that nobody has migrated."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {name} RENAME TO {name}_away")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {name}_away RENAME TO {name}")


@pytest.mark.parametrize("words", [["prove"], ["recount_usage", "2026-01-01", "2026-01-02"]], ids=" ".join)
def test_a_database_without_tables_is_told_in_one_line(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with without_table("usage_closedhour"), pytest.raises(SystemExit) as end:
        ManagementUtility(["manage.py", *words]).execute()
    (line,) = _lines(capfd)
    assert end.value.code == 1
    said = {"sqlite": "no such table: usage_closedhour", "postgresql": 'relation "usage_closedhour" does not exist'}
    setting = "DATABASE_URL" if os.environ.get("DATABASE_URL") else "MOREH_DATA_DIR"
    remedy = f"Look at {setting}, or run `manage.py migrate`."
    assert line == f"CommandError: The database cannot be used ({said[connection.vendor]}). {remedy}"


FAULTS: dict[str, tuple[BaseException, int, str]] = {
    "no permission": (PermissionError(13, "Permission denied", "/x"), 1, "[Errno 13] Permission denied: '/x'"),
    "a server that says nothing": (TimeoutError(), 1, "TimeoutError"),
    "no broker": (RedisError("Away.\nx"), 1, "The broker cannot be used (Away.). Look at REDIS_URL."),
    "a refusal": (NotFound(username="kim"), 1, f"{NotFound.message} (username: kim)"),
    "Ctrl-C": (KeyboardInterrupt(), 130, "Interrupted."),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_that_is_not_ours_is_one_line(case: str) -> None:
    error, code, said = FAULTS[case]

    class Failing(BaseCommand):
        requires_system_checks = []

        def handle(self, *_arguments: Any, **_options: Any) -> None:
            raise error

    with pytest.raises(CommandError) as told:
        call_command(Failing())
    assert (str(told.value), told.value.returncode) == (said, code)


def test_a_fault_of_ours_keeps_its_trace() -> None:
    assert in_words(ValueError("x")) == ""


@pytest.mark.parametrize("words", [["create_operator", "kim"], ["prepare", "--password-stdin"]], ids=" ".join)
def test_a_password_that_is_not_utf_8_is_told(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MOREH_ADMIN_PASSWORD", raising=False)
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"\xff\n"), "utf-8"))
    with pytest.raises(SystemExit) as end:
        ManagementUtility(["manage.py", *words]).execute()
    assert (end.value.code, _lines(capfd)) == (1, ["CommandError: The password is not UTF-8."])
    assert not Operator.objects.exists()


def test_commands_of_django_tell_the_same_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["manage.py", "clearsessions"])
    with without_table("django_session"), pytest.raises(SystemExit) as end:
        runpy.run_path(str(settings.BASE_DIR / "manage.py"), run_name="__main__")
    assert str(end.value.code).startswith("CommandError: The database cannot be used (")
    assert str(end.value.code).endswith("or run `manage.py migrate`.")


def test_every_command_of_ours_tells_errors_in_one_line() -> None:
    assert [
        name for name in commands() if not isinstance(load_command_class(get_commands()[name], name), BaseCommand)
    ] == []
