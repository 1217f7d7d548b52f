"""What an operator's telephone does: make codes."""

from datetime import timedelta

from accounts.login.codes import code_at
from accounts.models import Operator, SecondFactor
from accounts.services.two_factor import begin_two_factor, enable_two_factor
from core.clock import db_now
from tests import make


def code_of(operator: Operator, steps: int = 0) -> str:
    """Return the code that the app shows, `steps` times 30 seconds from now."""
    return code_at(SecondFactor.objects.get(operator=operator).secret, db_now() + timedelta(seconds=30 * steps))


def switch_on(operator: Operator) -> list[str]:
    """Return an operator a second factor with a code of 30 seconds ago, so that the present one is unused."""
    begin_two_factor(operator)
    codes = enable_two_factor(operator, code_of(operator, -1), actor=make.ACTOR)
    operator.refresh_from_db()
    return codes
