"""Public functions and classes say what they return or do, and begin with the verb of the result."""

import importlib
import inspect
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = ConfigParser()
CONTRACTS.read(ROOT / ".importlinter")
PACKAGES = CONTRACTS["importlinter"]["root_packages"].split()
# An opening that says how a caller should feel about a function, not what it returns or does.
OPENINGS = {"Give", "Gives", "Tell", "Tells", "Say", "Says"}
# What the page, or the caller, is shown describes it: a column, a confirmed action, an error.
SHOWN = ("short_description", "step", "message")


def _modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if "migrations" not in name and "_pb2" not in name and not name.endswith("__main__"):
                yield importlib.import_module(name)


def _public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Return the public functions, classes and methods of a module; not those that override another's."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", "") != module.__name__:
            continue
        if inspect.isfunction(value) and value.__name__ == name:
            yield name, value
        elif inspect.isclass(value) and value.__qualname__ == name:
            yield name, value
            yield from _methods(value)


def _methods(cls: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(cls).items():
        function = getattr(value, "fget", None) or getattr(value, "__func__", None) or getattr(value, "func", value)
        overrides = any(name in vars(base) for base in cls.__mro__[1:])
        ours = inspect.isfunction(function) and function.__module__ == cls.__module__
        if ours and not name.startswith("_") and not overrides:
            yield f"{cls.__name__}.{name}", function


def _is_described_otherwise(value: Any) -> bool:
    return any(name in vars(value) for name in SHOWN)


def _own_doc(value: Any) -> str:
    """Return a docstring; not that of a base class, nor the signature that a dataclass gets instead."""
    found = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    return "" if not found or found.startswith(f"{value.__name__}(") else found


@pytest.mark.only_sqlite
def test_what_is_public_is_described() -> None:
    silent = [
        f"{module.__name__}.{name}"
        for module in _modules()
        for name, value in _public(module)
        if not _own_doc(value) and not _is_described_otherwise(value)
    ]
    assert silent == []


@pytest.mark.only_sqlite
def test_a_docstring_begins_with_the_verb_of_the_result() -> None:
    wrong = [
        f"{module.__name__}.{name}: {doc}"
        for module in _modules()
        for name, value in [("", module), *_public(module)]
        if (doc := _own_doc(value).partition("\n")[0]).partition(" ")[0] in OPENINGS
    ]
    assert wrong == []
