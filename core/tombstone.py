"""Objects that leave a tombstone, so that history, events and usage stay whole."""

from typing import Any, Self

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.errors import Conflict

DELETED = _("It is deleted.")
LIVE = Q(deleted_at__isnull=True)


class TombstoneQuerySet(models.QuerySet[Any]):
    """Rows of a model with tombstones."""

    def live(self) -> Self:
        """Return the rows that are not deleted."""
        return self.filter(LIVE)


class Tombstoned(models.Model):
    """A model whose rows are never removed; deleted ones carry the time."""

    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)

    objects = TombstoneQuerySet.as_manager()

    class Meta:
        abstract = True


def hold(row: Tombstoned, name: str = "id", *, alone: bool = False) -> None:
    """Read a row again and let nobody else change or delete it until the transaction ends.

    `name` is the parameter that Conflict names. `alone`: whoever keeps the row (`lib.locks`) is waited for, too.
    Raises Conflict when the row was deleted meanwhile.
    """
    # FOR UPDATE only when asked for: every new row that points here would have to wait for it.
    mine = type(row).objects.live().select_for_update(no_key=not alone)
    try:
        row.refresh_from_db(from_queryset=mine)
    except ObjectDoesNotExist as error:
        raise Conflict(DELETED, **{name: row.pk}) from error
