"""Access to the metrics, and the number of their series."""

import re

from django.core.exceptions import ImproperlyConfigured

from . import env

MOREH_METRICS_KEY = env.text("MOREH_METRICS_KEY")
if MOREH_METRICS_KEY and not re.fullmatch("[!-~]{16,}", MOREH_METRICS_KEY):
    # The value is a secret, so it is not repeated here.
    raise ImproperlyConfigured("MOREH_METRICS_KEY must be at least 16 letters, digits or signs without spaces.")
MOREH_METRICS_TOKENS = env.flag("MOREH_METRICS_TOKENS", default=True)
MOREH_METRICS_DEVICES = env.flag("MOREH_METRICS_DEVICES", default=True)
MOREH_METRICS_EXPORTERS = env.ports("MOREH_METRICS_EXPORTERS")
