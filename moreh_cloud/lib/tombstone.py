"""Objects that leave a tombstone, so that history, events and usage stay whole."""

from typing import Any, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

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
