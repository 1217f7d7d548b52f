import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import EmailMessage


class PrivateFiles(BaseEmailBackend):
    """Keep each mail as a file of its own (mode 0600) in EMAIL_FILE_PATH: what an installation without a server does.

    A log would not do: the links in mails are secrets.
    """

    def send_messages(self, email_messages: Any) -> int:
        """Write the mails to files; return how many."""
        folder = Path(settings.EMAIL_FILE_PATH)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for message in email_messages:
            _keep(folder, message)
        return len(email_messages)


def _keep(folder: Path, message: EmailMessage) -> None:
    with NamedTemporaryFile(dir=folder, prefix="mail-", suffix=".part", delete=False) as file:  # made with mode 0600
        file.write(message.message().as_bytes())
    os.replace(file.name, file.name.removesuffix(".part") + ".eml")
