"""Secrets that tools read and keep: the VM's token, the node's key. They never travel in arguments."""

import codecs
import os
import re
from pathlib import Path

from clients.errors import SettingError, TokenMissing

TOKEN_FILE = Path("/etc/moreh/token")
SECRET = re.compile(rb"[!-~]*")  # one line of visible ASCII: what an HTTP header may carry


def read_token(file: Path | None = None, *, default: Path = TOKEN_FILE) -> str:
    """Return the VM's token: of the file given, else of MOREH_TOKEN, else of the default file.

    Raises TokenMissing, and SettingError for one that cannot be sent and for a given file that is not there.
    """
    given = os.environ.get("MOREH_TOKEN", "")
    found = _read(file) if file else _secret(os.fsencode(given), "MOREH_TOKEN") or read_secret(default)
    if not found:
        raise TokenMissing
    return found


def read_secret(file: Path) -> str:
    """Return a secret of one line; "" when there is no such file.

    Raises SettingError when it cannot be read, or not be sent.
    """
    return _read(file, needed=False)


def _read(file: Path, *, needed: bool = True) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not needed:
            return ""
        raise SettingError(f"{file} cannot be read: {error.strerror}.") from error
    return _secret(content, str(file))


def keep_secret(file: Path, secret: str) -> None:
    """Write a secret for the owner's eyes only, whole or not at all."""
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(secret + "\n")
        out.flush()
        os.fsync(descriptor)
    draft.replace(file)


def _secret(content: bytes, source: str) -> str:
    """Return the secret without the white space around it and the byte order mark that some editors write."""
    secret = content.removeprefix(codecs.BOM_UTF8).strip()
    if not SECRET.fullmatch(secret):
        raise SettingError(f"{source} holds no secret that can be sent: one line of visible ASCII is expected.")
    return secret.decode("ascii")
