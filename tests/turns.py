"""Parameters that are shared out between the databases, where what they vary does not depend on the database."""

from collections.abc import Iterable
from itertools import cycle
from typing import Any

import pytest


def by_turns(values: Iterable[Any]) -> list[Any]:
    """Return parameters of which one runs on SQLite, the next on PostgreSQL, and so on."""
    marks = cycle((pytest.mark.only_sqlite, pytest.mark.only_postgresql))
    return [pytest.param(value, marks=mark) for value, mark in zip(values, marks, strict=False)]
