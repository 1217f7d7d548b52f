"""Keys that are made at the first start and kept in a private file."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile

from django.core.exceptions import ImproperlyConfigured


def kept_key(file: Path, variable: str, make: Callable[[], str]) -> str:
    """Read the key in `file`, or make it (mode 0600); of several processes at once, the first one's key counts."""
    try:
        if not file.exists():
            _keep(file, make())
        key = file.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{file} cannot be used ({error.strerror}). Choose another folder with MOREH_DATA_DIR, or set {variable}."
        ) from None
    if not key:
        raise ImproperlyConfigured(f"{variable} is not set and {file} is empty.")
    return key


def _keep(file: Path, key: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with NamedTemporaryFile("w", dir=file.parent) as draft:
        draft.write(key)
        draft.flush()
        os.fsync(draft.fileno())
        try:
            os.link(draft.name, file)
        except FileExistsError:
            return
