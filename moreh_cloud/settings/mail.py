"""Mail to operators, and the address of this installation that links in it begin with."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from . import env
from .core import MOREH_DATA_DIR
from .up import MOREH_HTTP_HOST, MOREH_HTTP_PORT

_SCHEMES = ("smtp", "smtp+tls", "smtps")


def _server() -> dict[str, object]:
    """Read the mail server; without one, mails become private files, because the links in them are secrets."""
    url = env.text("MOREH_MAIL_URL")
    if not url:
        return {"EMAIL_BACKEND": "moreh_cloud.lib.mailbox.PrivateFiles"}
    if urlsplit(url).scheme not in _SCHEMES or not urlsplit(url).hostname:
        # The URL may hold a password, so it is not repeated here.
        raise ImproperlyConfigured("MOREH_MAIL_URL must be like smtp+tls://user:password@host:587 (or smtp, smtps).")
    parse: Callable[[str], dict[str, object]] = Env.email_url_config
    return parse(url)


def _public_url() -> str:
    url = env.text("MOREH_PUBLIC_URL", f"http://{MOREH_HTTP_HOST}:{MOREH_HTTP_PORT}").rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
        raise ImproperlyConfigured(f"MOREH_PUBLIC_URL must be like https://cloud.example.com, not {url!r}.")
    return url


_given = _server()
EMAIL_BACKEND = str(_given.get("EMAIL_BACKEND"))
EMAIL_HOST = str(_given.get("EMAIL_HOST") or "localhost")
EMAIL_PORT = int(str(_given.get("EMAIL_PORT") or 25))
EMAIL_HOST_USER = str(_given.get("EMAIL_HOST_USER") or "")
EMAIL_HOST_PASSWORD = str(_given.get("EMAIL_HOST_PASSWORD") or "")
EMAIL_USE_TLS = bool(_given.get("EMAIL_USE_TLS"))
EMAIL_USE_SSL = bool(_given.get("EMAIL_USE_SSL"))
EMAIL_TIMEOUT = 10  # seconds
EMAIL_FILE_PATH = MOREH_DATA_DIR / "mail"
DEFAULT_FROM_EMAIL = env.text("MOREH_MAIL_FROM", "Moreh Cloud <moreh-cloud@localhost>")
MOREH_PUBLIC_URL = _public_url()
