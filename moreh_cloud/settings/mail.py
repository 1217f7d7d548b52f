"""Mail to operators, and the address of this installation that links in it begin with."""

import re
from collections.abc import Callable
from email.utils import getaddresses

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from . import env
from .core import MOREH_DATA_DIR
from .up import MOREH_HTTP_HOST, MOREH_HTTP_PORT

_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")
_SCHEMES = ("smtp", "smtp+tls", "smtps")
EMAIL_FILES_BACKEND = "moreh_cloud.mailbox.PrivateFiles"


def _server() -> dict[str, object]:
    """Read the mail server; without one, mails become private files, because the links in them are secrets."""
    url = env.text("MOREH_MAIL_URL")
    if not url:
        return {"EMAIL_BACKEND": EMAIL_FILES_BACKEND}
    parts = env.split_url(url)
    if parts is None or parts.scheme not in _SCHEMES or not parts.hostname or parts.path.strip("/") or parts.query:
        # The URL may hold a password, so it is not repeated here.
        raise ImproperlyConfigured("MOREH_MAIL_URL must be like smtp+tls://user:password@host:587 (or smtp, smtps).")
    parse: Callable[[str], dict[str, object]] = Env.email_url_config
    return parse(url)


def _sender() -> str:
    """Read the sender; Django would refuse each mail from one that is no address of one line."""
    value = env.text("MOREH_MAIL_FROM", "Moreh Cloud <moreh-cloud@localhost>")
    addresses = [address for _name, address in getaddresses([value])]
    if not value.isprintable() or len(addresses) != 1 or not _ADDRESS.fullmatch(addresses[0]):
        raise ImproperlyConfigured(f"MOREH_MAIL_FROM must be like Moreh Cloud <cloud@example.com>, not {value!r}.")
    return value


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
DEFAULT_FROM_EMAIL = _sender()
_own_url = f"http://{MOREH_HTTP_HOST}:{MOREH_HTTP_PORT}"
MOREH_PUBLIC_URL = env.url("MOREH_PUBLIC_URL", _own_url, root=True).rstrip("/")
