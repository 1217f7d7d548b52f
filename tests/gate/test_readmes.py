"""Each package says in five to ten lines what it owns, its main verbs, what it must never do and where to start."""

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = ConfigParser()
CONTRACTS.read(ROOT / ".importlinter")
PACKAGES = CONTRACTS["importlinter"]["root_packages"].split()
PARTS = ("- Owns: ", "- Main verbs: ", "- Must never: ", "- Start reading: ")
NAME = re.compile(r"`([\w./-]+(?:\.py|\.md|\.proto|/))`")
VERB = re.compile(r"`([a-z]+_\w+)`")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_a_short_readme(package: str) -> None:
    text = (ROOT / package / "README.md").read_text()
    lines = [line for line in text.splitlines() if line]
    assert lines[0] == f"# {package}"
    assert 5 <= len(lines) <= 10
    assert [part for part in PARTS if f"\n{part}" not in text] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_what_it_names_is_there(package: str) -> None:
    text, folder = (ROOT / package / "README.md").read_text(), ROOT / package
    assert [name for name in NAME.findall(text) if not any((place / name).exists() for place in (folder, ROOT))] == []
    code = "\n".join(path.read_text() for path in folder.rglob("*.py"))
    stems = {path.stem for path in folder.rglob("*.py")} | set(PACKAGES)
    verbs = set(VERB.findall(text)) - stems
    assert {verb for verb in verbs if not re.search(rf"\b{verb}\b", code)} == set()
