"""docs/settings.md says what the code reads: no variable is missing, none is made up, defaults are true."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \| (.+?) \| (.+?) \| (.*?) ?\|$", re.MULTILINE)
NAME = re.compile(r"MOREH_[A-Z_]+|DATABASE_URL|REDIS_URL")
SERVER = (
    *(
        "accounts",
        "alerts",
        "backends",
        "billing",
        "bulk",
        "console",
        "core",
        "events",
        "idempotency",
        "inventory",
        "liveness",
    ),
    *("moreh_cloud", "outbox", "scheduler", "subscriptions", "sda", "tokens", "usage"),
)


def documented() -> dict[str, tuple[str, ...]]:
    return {name: rest for name, *rest in ROW.findall((ROOT / "docs/settings.md").read_text())}


def trees(*folders: str) -> Iterator[ast.AST]:
    for folder in folders:
        for file in (ROOT / folder).rglob("*.py"):
            yield ast.parse(file.read_text())


def names_in_the_code() -> set[str]:
    constants = (node for tree in trees(*SERVER) for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {node.value for node in constants if isinstance(node.value, str) and NAME.fullmatch(node.value)}


def defaults_in_the_code() -> Iterator[tuple[str, str]]:
    for tree in trees("moreh_cloud/settings"):
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="env")),
                    args=[ast.Constant(value=str(name)), ast.Constant(value=str() | int() as default), *_],
                ):
                    yield name, str(default)


def test_every_variable_that_the_server_reads_is_documented() -> None:
    assert names_in_the_code() - set(documented()) == set()


def test_every_documented_variable_is_read() -> None:
    assert set(documented()) - names_in_the_code() == set()


def test_every_variable_has_its_unit_and_what_it_is() -> None:
    assert [name for name, (_default, unit, what, _danger) in documented().items() if not unit or len(what) < 10] == []


def test_documented_defaults_are_those_of_the_code() -> None:
    told = {name: default.strip("`") for name, (default, *_rest) in documented().items()}
    wrong = {name: (told[name], default) for name, default in defaults_in_the_code() if told[name] != default}
    assert wrong == {}
