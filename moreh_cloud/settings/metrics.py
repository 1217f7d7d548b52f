"""Access to the metrics, the number of their series, and where charts come from."""

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
MOREH_PROMETHEUS_URL = env.url("MOREH_PROMETHEUS_URL")
MOREH_PROMETHEUS_KEY = env.text("MOREH_PROMETHEUS_KEY")
if MOREH_PROMETHEUS_KEY and not re.fullmatch("[!-~]+", MOREH_PROMETHEUS_KEY):
    raise ImproperlyConfigured("MOREH_PROMETHEUS_KEY must be letters, digits or signs without spaces.")
MOREH_CHARTS_MIB = env.number("MOREH_CHARTS_MIB", 32, most=1_000_000)
