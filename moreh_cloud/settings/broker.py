"""Redis or Valkey: Celery's broker, the cache and the news between processes. Losing it loses nothing."""

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from kombu import Queue

from . import env
from .core import MOREH_DATA_DIR, TIME_ZONE

REDIS_URL = env.text("REDIS_URL", f"unix://{MOREH_DATA_DIR / 'valkey.sock'}")
_scheme = urlsplit(REDIS_URL).scheme
if _scheme not in ("unix", "redis", "rediss"):
    raise ImproperlyConfigured("REDIS_URL must begin with redis://, rediss:// or unix://.")

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "moreh",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}

CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1) if _scheme == "unix" else REDIS_URL
CELERY_BROKER_CONNECTION_RETRY = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
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
# Early, because an acknowledgement over a lost connection ends kombu's consumer; a lost doorbell costs a beat.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONSUMER = "moreh_cloud.consumer:PatientConsumer"
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "celery"
CELERY_TASK_QUEUES = (Queue("celery"), Queue("power"))
CELERY_TASK_ROUTES = {
    f"backends.tasks.{task}": {"queue": "power"} for task in ("drive_power", "sweep_power", "probe_bmcs")
}
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
