"""What operators must know of mail where there is no mail server."""

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from core.stored_text import StoredText


def mail_note() -> StoredText | None:
    """Return where mails go if they are not sent, because there is no mail server; None if there is one."""
    if settings.EMAIL_BACKEND != settings.EMAIL_FILES_BACKEND:
        return None
    note = _("There is no mail server (MOREH_MAIL_URL): mails are not sent, but stored as files in %(folder)s.")
    return StoredText(note, {"folder": str(settings.EMAIL_FILE_PATH)})
