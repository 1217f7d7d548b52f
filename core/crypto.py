"""Secrets at rest: encrypted columns, digests for look-ups, and how new secrets are made."""

import hashlib
import json
import secrets
from collections.abc import Iterator
from functools import lru_cache
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.utils.translation import gettext_lazy as _

from core.errors import DomainError
from core.texts import whole

SECRET_BYTES = 32  # 256 random bits; the contract asks for at least 192


def new_secret() -> str:
    """Make an unguessable URL-safe value of 43 characters.

    It begins with a letter or a digit: a command line reads "-" as an option, and a spreadsheet as a formula.
    """
    return secrets.choice(ascii_letters + digits) + secrets.token_urlsafe(SECRET_BYTES)[1:]


def digest(value: str) -> str:
    """Return the SHA-256 of a random secret in hex: enough for look-ups, because such secrets cannot be guessed."""
    return hashlib.sha256(value.encode()).hexdigest()


@lru_cache(maxsize=1)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def fernet() -> MultiFernet:
    """Return the key ring: the first key encrypts, all of them decrypt."""
    return _fernet(tuple(settings.MOREH_ENCRYPTION_KEYS))


@lru_cache(maxsize=65_536)
def _decrypt(cipher: str, keys: tuple[str, ...]) -> str:
    return _fernet(keys).decrypt(cipher.encode()).decode()


class SecretUnreadable(DomainError):
    """A stored secret that no key decrypts."""

    code = "SECRET_UNREADABLE"
    message = _("A stored secret cannot be read: no key decrypts it, or it is damaged. Set it anew.")

    @property
    def place(self) -> str:
        """Return table, id and column, for what is kept or logged."""
        return " ".join(str(self.details[name]) for name in ("table", "id", "column") if name in self.details)


class Cipher:
    """A secret as its column holds it: not read yet, or unreadable. Saving its row writes it back unchanged.

    Whatever uses it as the secret raises SecretUnreadable if no key decrypts it.
    """

    __slots__ = ("field", "pk", "text")

    def __init__(self, text: str, field: "EncryptedField", pk: object = None) -> None:
        self.text, self.field, self.pk = text, field, pk

    def read(self) -> Any:
        """Return the secret. Raises SecretUnreadable, which names table, id and column."""
        try:
            return self.field.parse(_decrypt(self.text, tuple(settings.MOREH_ENCRYPTION_KEYS)))
        except (InvalidToken, ValueError, TypeError, AttributeError, RecursionError):
            table, column = self.field.model._meta.db_table, self.field.column
            place: dict[str, Any] = {"table": table, "id": self.pk, "column": column}
            raise SecretUnreadable(**{name: value for name, value in place.items() if value is not None}) from None

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        return str(self.read())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.read())

    def __getitem__(self, key: Any) -> Any:
        return self.read()[key]

    def encode(self) -> bytes:
        """Return the secret as bytes."""
        return str(self).encode()

    def items(self) -> Any:
        """Return the pairs of a map."""
        return self.read().items()


def readable(secret: Any, pk: object = None) -> Any:
    """Return a secret that a query gave, of the row `pk`; None if no key decrypts it."""
    try:
        return read_secret(secret, pk)
    except SecretUnreadable:
        return None


def read_secret(secret: Any, pk: object) -> Any:
    """Return a secret that a query gave. Raises SecretUnreadable, which names the row `pk`."""
    return Cipher(secret.text, secret.field, pk or secret.pk).read() if isinstance(secret, Cipher) else secret


def unreadable_secrets(row: models.Model) -> list[str]:
    """Return the names of a row's secrets that no key decrypts."""
    secrets_of = [field for field in row._meta.concrete_fields if isinstance(field, EncryptedField)]
    return [field.name for field in secrets_of if isinstance(getattr(row, field.attname), Cipher)]


class _Secret(DeferredAttribute):
    """Decrypts when the attribute is read first, so that lists of rows cost nothing and stop at no row."""

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if isinstance(value, Cipher):
            plain = readable(value)
            if plain is None:
                value.pk = instance.pk
                return value
            instance.__dict__[self.field.attname] = value = plain
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


if TYPE_CHECKING:
    _TextField = models.TextField[str, str]
else:
    _TextField = models.TextField


class EncryptedField(_TextField):
    """A text column that is encrypted at rest with MOREH_ENCRYPTION_KEYS; '' stays ''."""

    descriptor_class = _Secret
    nothing: Any = str

    def parse(self, plain: str) -> Any:
        """Return the value that a decrypted text is. Raises ValueError or TypeError."""
        return plain

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, Cipher) else super().to_python(value)

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Cipher):
            return value.text
        return fernet().encrypt(str(value).encode()).decode() if value else ""

    def from_db_value(self, value: str | None, _expression: object, _connection: object) -> Any:
        """Return the value as it is stored; it is decrypted when somebody reads it."""
        return Cipher(value, self) if value else self.nothing()


if TYPE_CHECKING:
    _MapField = models.TextField[dict[str, str], dict[str, str]]
else:
    _MapField = EncryptedField


class EncryptedMapField(_MapField):
    """A map of names to texts that is encrypted at rest as JSON; {} is stored as ''."""

    nothing = dict

    def parse(self, plain: str) -> Any:
        """Return the decrypted text as a map."""
        read = json.loads(plain)
        if any(not isinstance(value, str) for value in read.values()):
            raise TypeError("a variable is no text")
        return whole(read) if "\\ud" in plain else read  # as JsonField

    def to_python(self, value: Any) -> Any:
        return value

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(value if isinstance(value, Cipher) else json.dumps(value) if value else "")
