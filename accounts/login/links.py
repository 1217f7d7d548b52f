"""Links in mails: signed, expiring, and over as soon as what they are for has happened."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse

from accounts.choices import Letter
from accounts.models import Operator
from core.numbers import whole


class _Seal(PasswordResetTokenGenerator):
    """Django's signature over password, address and last login, also over whether the address is verified."""

    def __init__(self, letter: Letter) -> None:
        super().__init__()
        self.key_salt = f"moreh_cloud.accounts.{letter}"

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{super()._make_hash_value(user, timestamp)}{user.email_verified_at}{user.is_active}"


SEALS = {letter: _Seal(letter) for letter in Letter}
PAGES = {Letter.VERIFY: "verify_email", Letter.RESET: "choose_password"}


def make_link(letter: Letter, operator: Operator) -> str:
    """Return the address of the page for a letter to this operator: a secret."""
    # In the query string, because that is never written to a log and is masked by its name.
    query = urlencode({"key": f"{operator.pk}.{SEALS[letter].make_token(operator)}"})
    return f"{settings.MOREH_PUBLIC_URL}{reverse(PAGES[letter])}?{query}"


def read_link(letter: Letter, key: str, operator: Operator | None = None) -> Operator | None:
    """Return whose link it is, if it is still good; of `operator`, where given, instead of the stored row."""
    number, _dot, seal = key.partition(".")
    if (pk := whole(number)) is None:
        return None
    found = operator or Operator.objects.filter(pk=pk, is_active=True, is_staff=True).first()
    return found if found and SEALS[letter].check_token(found, seal) else None
