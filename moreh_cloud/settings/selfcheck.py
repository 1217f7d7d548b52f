"""When the product raises alerts about itself."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from core.version import OLDEST_AGENT, version_key

from . import env

MOREH_BEAT_SILENT = env.seconds("MOREH_BEAT_SILENT", 60, least=30)
MOREH_QUEUE_STALLED = env.seconds("MOREH_QUEUE_STALLED", 60, least=30)
MOREH_DISK_WARNING = env.number("MOREH_DISK_WARNING", 85, least=10, most=100)
MOREH_DISK_CRITICAL = env.number("MOREH_DISK_CRITICAL", 95, least=10, most=100)
if MOREH_DISK_CRITICAL < MOREH_DISK_WARNING:
    raise ImproperlyConfigured("MOREH_DISK_CRITICAL must not be less than MOREH_DISK_WARNING.")
MOREH_DB_GIB = env.number("MOREH_DB_GIB", 0)
MOREH_CERTIFICATES = tuple(Path(word).expanduser().absolute() for word in env.words("MOREH_CERTIFICATES"))
MOREH_OLDEST_AGENT = env.text("MOREH_OLDEST_AGENT", OLDEST_AGENT)
if version_key(MOREH_OLDEST_AGENT) is None:
    raise ImproperlyConfigured(f"MOREH_OLDEST_AGENT must be a version like {OLDEST_AGENT}, not {MOREH_OLDEST_AGENT!r}.")
MOREH_CLOCK_SKEW = env.seconds("MOREH_CLOCK_SKEW", 5)
