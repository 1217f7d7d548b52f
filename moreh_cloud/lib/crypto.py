"""Secrets at rest: encrypted columns, digests for look-ups, and how new secrets are made."""

import hashlib
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models

SECRET_BYTES = 32  # 256 random bits; the contract asks for at least 192


def new_secret() -> str:
    """Make an unguessable URL-safe value of 43 characters."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest(value: str) -> str:
    """Give the SHA-256 of a random secret in hex: enough for look-ups, because such secrets cannot be guessed."""
    return hashlib.sha256(value.encode()).hexdigest()


@lru_cache(maxsize=1)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def fernet() -> MultiFernet:
    """Give the key ring: the first key encrypts, all of them decrypt."""
    return _fernet(tuple(settings.MOREH_ENCRYPTION_KEYS))


@lru_cache(maxsize=65_536)
def _decrypt(cipher: str, keys: tuple[str, ...]) -> str:
    return _fernet(keys).decrypt(cipher.encode()).decode()


if TYPE_CHECKING:
    _TextField = models.TextField[str, str]
else:
    _TextField = models.TextField


class EncryptedField(_TextField):
    """A text column that is encrypted at rest with MOREH_ENCRYPTION_KEYS; '' stays ''."""

    def get_prep_value(self, value: Any) -> Any:
        return fernet().encrypt(str(value).encode()).decode() if value else ""

    def from_db_value(self, value: str | None, _expression: object, _connection: object) -> str:
        return _decrypt(value, tuple(settings.MOREH_ENCRYPTION_KEYS)) if value else ""
