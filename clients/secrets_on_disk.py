"""Secrets that tools read and keep: the VM's token, the node's key. They never travel in arguments."""

import os
from pathlib import Path

TOKEN_FILE = Path("/etc/moreh/token")


class TokenMissing(Exception):
    """There is no token to call with."""

    def __init__(self) -> None:
        super().__init__("SDA token is not given.")


def read_token(file: Path | None = None, *, default: Path = TOKEN_FILE) -> str:
    """Find the VM's token: the file given, else MOREH_TOKEN, else the default file. Raises TokenMissing."""
    found = read_secret(file) if file else os.environ.get("MOREH_TOKEN", "").strip() or read_secret(default)
    if not found:
        raise TokenMissing
    return found


def read_secret(file: Path) -> str:
    """Read a secret of one line; '' when the file is not there or may not be read."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


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
