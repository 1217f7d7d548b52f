"""Redis or Valkey: Celery's broker, the cache and the news between processes. Losing it loses nothing."""

import re
from urllib.parse import SplitResult, parse_qsl

from django.core.exceptions import ImproperlyConfigured
from kombu import Queue

from . import env
from .core import MOREH_DATA_DIR, TIME_ZONE

_NUMBER = r"[0-9]{1,5}"
# Parameters that redis and kombu read alike, and their values.
_TLS = {
    "ssl_ca_certs": r".+",
    "ssl_cert_reqs": r"required|optional|none",
    "ssl_certfile": r".+",
    "ssl_check_hostname": r"true|false",
    "ssl_keyfile": r".+",
}
_PARAMETERS: dict[str, dict[str, str]] = {"unix": {"db": _NUMBER}, "redis": {}, "rediss": _TLS}


def _has_shape(parts: SplitResult) -> bool:
    """Whether redis and kombu can read the address, and read the same database from it."""
    if parts.scheme == "unix":
        return len(parts.path) > 1
    return parts.scheme in ("redis", "rediss") and re.fullmatch(f"(/({_NUMBER})?)?", parts.path) is not None


def _wrong(parts: SplitResult) -> list[str]:
    """Return the parameters that redis or kombu do not know, or whose values they cannot read."""
    known, given = _PARAMETERS[parts.scheme], parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _value in given]
    wrong = [name for name, value in given if not re.fullmatch(known.get(name, "(?!)"), value)]
    twice = [name for name in names if names.count(name) > 1]
    alone = ["ssl_keyfile"] if "ssl_keyfile" in names and "ssl_certfile" not in names else []
    return sorted({*wrong, *twice, *alone})


def _refusal(wrong: list[str]) -> ImproperlyConfigured:
    """Name the parameters; a name that redis does not know may be part of a password."""
    from redis.connection import URL_QUERY_ARGUMENT_PARSERS

    known = {*URL_QUERY_ARGUMENT_PARSERS, *_TLS}
    named = ", ".join(sorted({name if name in known else "one that is unknown" for name in wrong}))
    allowed = f"unix:///file may have db (a number), and rediss:// may have {', '.join(_TLS)}."
    return ImproperlyConfigured(f"REDIS_URL has parameters that cannot be used: {named}. {allowed}")


REDIS_URL = env.text("REDIS_URL", f"unix://{MOREH_DATA_DIR / 'valkey.sock'}")
_parts = env.split_url(REDIS_URL)
# The URL may hold a password, so it is not repeated here.
if _parts is None or not _has_shape(_parts):
    raise ImproperlyConfigured("REDIS_URL must be like redis://:password@host:6379/0 (or rediss) or unix:///file.")
if _found := _wrong(_parts):
    raise _refusal(_found)

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "moreh",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}

CELERY_BROKER_URL = REDIS_URL
if _parts.scheme == "rediss" and not _parts.query:  # without a parameter, kombu would trust every certificate
    CELERY_BROKER_URL = f"{REDIS_URL.rstrip('?')}?ssl_cert_reqs=required"
if _parts.scheme == "unix":  # in the words of kombu
    CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")
CELERY_BROKER_CONNECTION_RETRY = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# A refusal (out of memory, read-only, cannot save) is waited out like a lost connection; else it ends the worker.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
}
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# Early, because an acknowledgement over a lost connection ends kombu's consumer; a lost wake-up costs a beat.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONSUMER = "moreh_cloud.consumer:PatientConsumer"
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "celery"
CELERY_TASK_QUEUES = (Queue("celery"), Queue("power"), Queue("outbox"))
CELERY_TASK_ROUTES = {
    f"backends.tasks.{task}": {"queue": "power"}
    for task in ("drive_power", "pick_up_power", "sweep_power", "probe_bmcs", "monitor_bmcs")
} | {f"outbox.tasks.{task}": {"queue": "outbox"} for task in ("send_channel", "pick_up", "tidy")}
CELERY_TASK_ROUTES["subscriptions.tasks.feed"] = {"queue": "outbox"}
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULER = "moreh_cloud.beat:SteadyScheduler"
