"""JSON columns that can always be read and written again: on a page, in a file, to an agent."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog
from django.db import models
from django.db.models.fields.json import KeyTransform

from core.texts import whole

if TYPE_CHECKING:
    _JSONField = models.JSONField[Any, Any]
else:
    _JSONField = models.JSONField

log = structlog.get_logger(__name__)


def is_whole(value: object) -> bool:
    """Whether an item is a whole number that is not negative."""
    return type(value) is int and value >= 0


def is_text(value: object) -> bool:
    """Whether an item is a text."""
    return isinstance(value, str)


def is_list(value: object) -> bool:
    """Whether an item is a list of texts."""
    return isinstance(value, list) and all(map(is_text, value))


class JsonField(_JSONField):
    r"""A JSON column of one shape: a list or an object, as its default is, whose items satisfy `fits` if that is given.

    A stored value of another shape is read as the default, so that no reader need ask; it is logged. None is read where
    an outer join finds no row: no column is nullable. A column that is not `shaped` is read as it is. Halves of
    surrogate pairs, which SQLite stores and no encoding can write, are read as U+FFFD; json.dumps writes every half as
    an escape like \ud800, so most rows are not walked through.
    """

    def __init__(
        self, *args: Any, shaped: bool = True, fits: Callable[[Any], bool] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.shaped, self.fits = shaped, fits

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if value is None:
            return None
        read = super().from_db_value(value, expression, connection)
        if isinstance(value, str) and "\\ud" in value:
            read = whole(read)
        if not self.shaped or isinstance(expression, KeyTransform) or self._is_shaped(read):
            return read
        log.warning("json_of_another_shape", table=self.model._meta.db_table, column=self.column)
        return self.get_default()

    def _is_shaped(self, read: Any) -> bool:
        if not isinstance(read, self.default):
            return False
        return self.fits is None or all(map(self.fits, read.values() if isinstance(read, dict) else read))

    def deconstruct(self) -> Any:
        """Return the definition of Django's own column: migrations need not know the difference."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs
