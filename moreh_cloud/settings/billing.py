"""Currency and billing."""

import re

from django.core.exceptions import ImproperlyConfigured

from . import env

MOREH_CURRENCY = env.text("MOREH_CURRENCY", "KRW").upper()
if not re.fullmatch("[A-Z]{3}", MOREH_CURRENCY):
    raise ImproperlyConfigured(f"MOREH_CURRENCY must be a currency like KRW or USD, not {MOREH_CURRENCY!r}.")
