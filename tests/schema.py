"""The committed description of REST, read once in a process: it is long."""

from functools import cache
from pathlib import Path
from typing import Any

from yaml import CSafeLoader, load

COMMITTED = Path(__file__).parents[1] / "openapi.yaml"


@cache
def committed() -> dict[str, Any]:
    """Return what openapi.yaml says; nobody changes it."""
    found: dict[str, Any] = load(COMMITTED.read_text(), CSafeLoader)
    return found
