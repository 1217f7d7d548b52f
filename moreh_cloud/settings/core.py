"""Applications, middleware, languages, times and where the data lies."""

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured

from . import env

BASE_DIR = Path(__file__).resolve().parents[2]
MOREH_DATA_DIR = env.path("MOREH_DATA_DIR") or BASE_DIR / "var"
DEBUG = env.flag("MOREH_DEBUG", default=False)

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "accounts.apps.OperatorAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "moreh_cloud.apps.OwnStaticFilesConfig",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "moreh_cloud",
    "accounts",
    "events",
    "idempotency",
    "liveness",
    "outbox",
    "alerts",
    "bulk",
    "inventory",
    "subscriptions",
    "tokens",
    "backends",
    "sda",
    "scheduler",
    "remediation",
    "usage",
    "billing",
    "notifications",
    "console",
]
MIDDLEWARE = [
    "moreh_cloud.middleware.measured.MeasuredRequests",
    "moreh_cloud.middleware.proxies.TrustedProxies",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "moreh_cloud.middleware.request_limiter.RequestLimiter",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.middleware.RequireTwoFactor",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "moreh_cloud.middleware.unavailable.Unavailable",
    "console.pages.filters.DefaultFilters",
    "accounts.middleware.AnswerLockedOut",
]
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000  # a form may choose each of 10,000 nodes; Django's own limit is 1,000
AUTH_USER_MODEL = "accounts.Operator"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "moreh_cloud.urls"
WSGI_APPLICATION = "moreh_cloud.wsgi.application"
ASGI_APPLICATION = "moreh_cloud.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

LANGUAGE_CODE = "en"
LANGUAGES = [("ko", "한국어"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "core.formats"
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.text("MOREH_TIME_ZONE", "Asia/Seoul")
try:
    ZoneInfo(TIME_ZONE)
except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones, or a name that is too long
    raise ImproperlyConfigured(f"MOREH_TIME_ZONE must be a time zone like Asia/Seoul, not {TIME_ZONE!r}.") from None

STATIC_URL = "static/"
STATIC_ROOT = MOREH_DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
