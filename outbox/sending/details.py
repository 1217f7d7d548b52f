"""Details of attempts that the product itself writes: stored in English, shown in the reader's language."""

from django.utils import translation
from django.utils.translation import gettext_noop

STORED_AS_FILE = gettext_noop("stored as a file, because there is no mail server (MOREH_MAIL_URL)")
NOT_PUBLIC = gettext_noop("a private or loopback address; allow its network with MOREH_OUTBOX_NETWORKS")
PLAIN_HTTP = gettext_noop("http, not https; allow it with MOREH_OUTBOX_HTTP")
KNOWN = frozenset((STORED_AS_FILE, NOT_PUBLIC, PLAIN_HTTP))


def shown_detail(detail: str) -> str:
    """Return a detail in the active language; what a receiver said stays as it is."""
    return translation.gettext(detail) if detail in KNOWN else detail
