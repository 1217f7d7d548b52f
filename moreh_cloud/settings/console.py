"""The console's own settings."""

from . import env

MOREH_LIVE_STREAMS = env.number("MOREH_LIVE_STREAMS", 48, least=0)
MOREH_WEB_THREADS = env.number("MOREH_WEB_THREADS", 8, least=1)
