"""Statements that are made of March."""

from datetime import date
from typing import Any

from billing.services.statements import Made, make_statements
from tests import make
from tests.billing.world import MARCH


def make_all(month: date = MARCH, **how: Any) -> Made:
    return make_statements(month, actor=make.ACTOR, **how)
