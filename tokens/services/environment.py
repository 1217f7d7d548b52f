"""The check of a token's environment variables."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from core.errors import InvalidParameter
from core.texts import legible, problem_of

LONGEST_NAME, LONGEST_VALUE = 128, 4096  # characters of a variable
MOST_ENVIRONMENT = 32_768  # bytes: a half of the smallest message that an agent's stream can be set to


def require_environment(env: Any) -> None:
    """Raise InvalidParameter unless `env` maps valid names to valid texts and is not too large."""
    if not isinstance(env, dict) or not all(isinstance(value, str) for value in env.values()):
        raise InvalidParameter(_("env must map names to strings."), parameter="env")
    for name, value in env.items():
        if not name or "=" in name or any(map(str.isspace, name)) or problem_of(name, LONGEST_NAME):
            raise InvalidParameter(
                _("A variable's name has 1 to 128 characters, no blank and no =."), env=legible(name)[:LONGEST_NAME]
            )
        if problem := problem_of(value, LONGEST_VALUE, lines=True):
            raise InvalidParameter(problem, env=name)
    if sum(len(text.encode()) for pair in env.items() for text in pair) > MOST_ENVIRONMENT:
        raise InvalidParameter(_("The variables of a token have at most 32,768 bytes in all."), parameter="env")
