"""Names and other values that only one row may have; the database decides."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from core.errors import Duplicate, Message


@contextmanager
def unique(message: Message | None = None, **details: object) -> Iterator[None]:
    """Save a row in the block, in a savepoint. Raises Duplicate with these details when another row has its value."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise Duplicate(message, **details) from error
