"""Objects that leave a tombstone, so that history, events and usage stay whole."""

from typing import Any, Self

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.errors import Conflict

LIVE = Q(deleted_at__isnull=True)


class TombstoneQuerySet(models.QuerySet[Any]):
    def live(self) -> Self:
        """Leave out what was deleted."""
        return self.filter(LIVE)


class Tombstoned(models.Model):
    """A model whose rows are never removed; deleted ones carry the time."""

    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)

    objects = TombstoneQuerySet.as_manager()

    class Meta:
        abstract = True


def hold(row: Tombstoned, name: str = "id") -> None:
    """Read a row again and let nobody else change or delete it until the transaction ends.

    `name` is the parameter that Conflict names. Raises Conflict when the row was deleted meanwhile.
    """
    # Not FOR UPDATE, for which every new row that points here would have to wait.
    mine = type(row).objects.live().select_for_update(no_key=True)
    try:
        row.refresh_from_db(from_queryset=mine)
    except ObjectDoesNotExist as error:
        raise Conflict(**{name: row.pk}) from error
