"""One name means one thing: classes that share a name are listed with the reason, and the list only gets shorter."""

import ast
from collections import defaultdict
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTRACTS = ConfigParser()
CONTRACTS.read(ROOT / ".importlinter")

# Django, Django REST framework and unfold look for these names.
OF_FRAMEWORKS = {"Command", "Media", "Meta"}
# The same thing on two sides: as a row and on the wire, on the server and in a client, in an app and beside it.
SAME_THING = {
    "Agent",
    "Customer",
    "Device",
    "GroupFilter",
    "GroupView",
    "GroupingView",
    "Job",
    "Node",
    "Refused",
    "SensorState",
    "SensorUnit",
    "Worker",
}
# Two meanings: still to be renamed.
TO_BE_RENAMED: set[str] = set()


def test_a_class_name_has_one_meaning() -> None:
    places = defaultdict(set)
    for package in CONTRACTS["importlinter"]["root_packages"].split():
        for file in (ROOT / package).rglob("*.py"):
            if "migrations" in file.parts or "_pb2" in file.name:
                continue
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ClassDef):
                    places[node.name].add(file)
    repeated = {name for name, files in places.items() if len(files) > 1}
    assert repeated - OF_FRAMEWORKS == SAME_THING | TO_BE_RENAMED
