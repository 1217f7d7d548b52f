"""Encrypts stored secrets anew with the first of MOREH_ENCRYPTION_KEYS, while everything runs."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db.models import F, Model, TextField, Value
from django.db.models.functions import Cast

from core.crypto import EncryptedField, fernet

BATCH = 500  # rows that are read at once


@dataclass(slots=True)
class Rotated:
    """Result for one column: values read, values encrypted again, and the ids of rows that no key decrypts."""

    table: str
    column: str
    seen: int = 0
    renewed: int = 0
    unreadable: list[Any] = field(default_factory=list)


def rotate_keys(*, dry_run: bool = False) -> Iterator[Rotated]:
    """Encrypt the values of each encrypted column that need it, and yield what was done, column by column.

    A value that somebody changes meanwhile is left alone: it was written with the first key. May be ended and repeated.
    """
    for model in apps.get_models():
        for column in model._meta.concrete_fields:
            if isinstance(column, EncryptedField) and not model._meta.proxy:
                yield _rotate(model, column.attname, dry_run=dry_run)


def _rotate(model: type[Model], name: str, *, dry_run: bool) -> Rotated:
    done = Rotated(model._meta.db_table, name)
    first = Fernet(settings.MOREH_ENCRYPTION_KEYS[0])
    rows = model._base_manager.annotate(cipher=Cast(F(name), TextField())).exclude(cipher="")
    for pk, cipher in rows.order_by("pk").values_list("pk", "cipher").iterator(chunk_size=BATCH):
        done.seen += 1
        try:
            first.decrypt(cipher.encode())
        except InvalidToken:
            _renew(model, name, pk, cipher, done, dry_run=dry_run)
    return done


def _renew(model: type[Model], name: str, pk: Any, cipher: str, done: Rotated, *, dry_run: bool) -> None:
    try:
        renewed = fernet().rotate(cipher.encode()).decode()
    except InvalidToken:
        done.unreadable.append(pk)
        return
    if not dry_run:
        same = model._base_manager.alias(cipher=Cast(F(name), TextField())).filter(pk=pk, cipher=cipher)
        same.update(**{name: Value(renewed, TextField())})
    done.renewed += 1
