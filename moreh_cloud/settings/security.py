"""Keys, hosts and cookies. Keys that are not given are made once and kept in the data folder."""

import secrets

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from . import env
from .core import MOREH_DATA_DIR
from .keyfile import kept_key
from .up import MOREH_HTTP_HOST

SECRET_KEY = env.text("MOREH_SECRET_KEY") or kept_key(
    MOREH_DATA_DIR / "secret_key", "MOREH_SECRET_KEY", lambda: secrets.token_urlsafe(48)
)
MOREH_ENCRYPTION_KEYS = env.words("MOREH_ENCRYPTION_KEYS") or [
    kept_key(MOREH_DATA_DIR / "encryption_key", "MOREH_ENCRYPTION_KEYS", lambda: Fernet.generate_key().decode())
]
try:
    [Fernet(key) for key in MOREH_ENCRYPTION_KEYS]
except ValueError:
    raise ImproperlyConfigured(
        "MOREH_ENCRYPTION_KEYS must be Fernet keys (32 bytes, URL-safe base64) separated by commas."
    ) from None

MOREH_TLS = env.flag("MOREH_TLS", default=False)
ALLOWED_HOSTS = env.words("MOREH_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
if MOREH_HTTP_HOST not in {"0.0.0.0", "[::]", *ALLOWED_HOSTS}:  # noqa: S104
    ALLOWED_HOSTS.append(MOREH_HTTP_HOST)
CSRF_TRUSTED_ORIGINS = env.words("MOREH_CSRF_TRUSTED_ORIGINS")
SESSION_COOKIE_SECURE = MOREH_TLS
CSRF_COOKIE_SECURE = MOREH_TLS
SECURE_SSL_REDIRECT = MOREH_TLS
SECURE_HSTS_SECONDS = env.number("MOREH_HSTS_SECONDS", 31_536_000) if MOREH_TLS else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Both would bind the whole domain of the installation, not only this host: that is its owner's decision.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# Only these may say for whom they speak (X-Forwarded-For).
MOREH_TRUSTED_PROXIES = env.networks("MOREH_TRUSTED_PROXIES")

# The first one lets nobody in: it counts attempts and stands in the way when there were too many.
AUTHENTICATION_BACKENDS = [
    "accounts.login.backends.CountingBackend",
    "accounts.login.backends.OperatorBackend",
]
MOREH_LOGIN_ATTEMPTS = env.number("MOREH_LOGIN_ATTEMPTS", 5, least=1)
MOREH_ADDRESS_ATTEMPTS = env.number("MOREH_ADDRESS_ATTEMPTS", 50, least=1)
MOREH_LOCKOUT_SECONDS = env.seconds("MOREH_LOCKOUT_SECONDS", 900)
# Of whom a second factor is demanded.
MOREH_TWO_FACTOR = env.choice("MOREH_TWO_FACTOR", "optional", ("optional", "masters", "all"))

PASSWORD_HASHERS = ["accounts.login.hashing.BoundedHasher"]
PASSWORD_RESET_TIMEOUT = int(env.hours("MOREH_LINK_HOURS", 24).total_seconds())
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "CommonPasswordValidator", "NumericPasswordValidator")
] + [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    }
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
