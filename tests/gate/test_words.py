"""Names are the terms of docs/glossary.md: no module, class, function or argument has a word that they replaced."""

import ast
import re
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = ConfigParser()
CONTRACTS.read(ROOT / ".importlinter")
# Words of the glossary's last column that mean nothing else in this code. Those that also have a meaning of the field
# (a claim of OpenID Connect, a share in percent, the frame of HTTP) are left to the reader.
REPLACED = {
    *("door", "rival", "rivals", "trial", "outlook", "habit", "habits", "shortcut"),
    *("telling", "told", "tell", "tells", "said", "say", "says", "speech", "greeting", "lookout", "sight"),
    *("patience", "bear", "insist", "beside", "laws", "law", "proof", "bell", "doorbell", "ring", "hear"),
    *("asking", "carrier", "agreed", "tone", "tones", "looks", "wish", "wishes", "demand", "mute"),
}
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg


@pytest.mark.only_sqlite
def test_no_name_has_a_word_that_the_glossary_replaced() -> None:
    found = set()
    for package in CONTRACTS["importlinter"]["root_packages"].split():
        for file in (ROOT / package).rglob("*.py"):
            if "migrations" in file.parts or "_pb2" in file.name:
                continue
            for name in [file.stem, *_names(ast.parse(file.read_text()))]:
                if REPLACED & {word.lower() for word in WORD.findall(name)}:
                    found.add(f"{file.relative_to(ROOT)}: {name}")
    assert sorted(found) == []
