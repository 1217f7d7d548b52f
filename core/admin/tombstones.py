"""Rows that are deleted: their pages show what they were, and nobody acts on them."""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from core.admin.columns import follow
from core.admin.lookups import with_key
from core.tombstone import Tombstoned

if TYPE_CHECKING:
    _Admin = ModelAdmin
else:
    _Admin = object


class TombstoneAdmin(_Admin):
    """An admin that lets nobody act on a deleted row."""

    tombstone = ""
    """The lookup of the time at which a row was deleted, or what it belongs to; "": its own, if it has one."""

    def has_operate_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the caller may run actions on a row: change the noun; nobody may act on a deleted row."""
        return super().has_change_permission(request) and not self.is_gone(request, obj)

    def live(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that are not deleted."""
        return rows.filter(**{f"{path}__isnull": True}) if (path := self._path()) else rows

    def is_deleted(self, row: Model) -> bool:
        """Whether a row is deleted."""
        path = self._path()
        return bool(path) and follow(row, path.split("__")) is not None

    def is_gone(self, request: HttpRequest, obj: Any) -> bool:
        """Whether a row is deleted; unfold gives its id instead, once for each of its actions."""
        if obj is None or isinstance(obj, Model):
            return obj is not None and self.is_deleted(obj)
        known: dict[Hashable, bool] = request.__dict__.setdefault("gone_rows", {})
        if (row := (self.model, str(obj))) not in known:
            deleted = {f"{self._path()}__isnull": False}
            rows = with_key(self.model._default_manager.all(), str(obj))
            known[row] = bool(self._path()) and rows.filter(**deleted).exists()
        return known[row]

    def _path(self) -> str:
        return self.tombstone or ("deleted_at" if issubclass(self.model, Tombstoned) else "")
