"""Request limits and timeouts of a web process."""

from . import env

MOREH_LIVE_STREAMS = env.number("MOREH_LIVE_STREAMS", 48, least=0)
MOREH_LOG_STREAMS = env.number("MOREH_LOG_STREAMS", 8, least=1)
MOREH_WEB_THREADS = env.number("MOREH_WEB_THREADS", 8, least=1)
MOREH_REQUEST_TIMEOUT = env.seconds("MOREH_REQUEST_TIMEOUT", 10)
