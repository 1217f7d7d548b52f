"""Leases: the right to work on a row for a while, which another process takes over when that time is over.

The row has a column `lease_until` and a number that grows each time its lease is taken (`epoch`, `attempt`). An earlier
holder finds another number there, and may no longer write.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.db.models import Model, Q, QuerySet

from core.clock import db_now
from core.errors import Conflict

ALWAYS = Q()


class LeaseLost(Conflict):
    """Another process has taken the lease; nothing more may be written under the old number."""


def is_leased(row: Any, now: datetime) -> bool:
    """Whether somebody has the lease of a row."""
    return row.lease_until is not None and row.lease_until > now


def not_leased(now: datetime) -> Q:
    """Return a filter for rows whose lease nobody has."""
    return Q(lease_until=None) | Q(lease_until__lte=now)


@dataclass(frozen=True, slots=True)
class Lease(ABC):
    """The lease of a row, under the number with which it was taken."""

    pk: int
    number: int

    model: ClassVar[type[Model]]
    counter: ClassVar[str]
    valid: ClassVar[Q] = ALWAYS
    """What must be true of the row besides its number."""

    @staticmethod
    @abstractmethod
    def duration() -> timedelta:
        """Return how long the lease lasts unless it is prolonged."""

    @classmethod
    def take(cls, row: Any, now: datetime, where: Q = ALWAYS, **changes: Any) -> Self:
        """Take the lease of a locked row that nobody has, under its next number; write `changes` with it."""
        lease = cls(row.pk, getattr(row, cls.counter) + 1)
        rows = cls.model._default_manager.filter(where, pk=row.pk)
        rows.update(**{cls.counter: lease.number}, lease_until=now + cls.duration(), **changes)
        return lease

    def rows(self) -> QuerySet[Any]:
        """Return the row as long as this lease of it is valid, else no row."""
        return self.model._default_manager.filter(self.valid, pk=self.pk, **{self.counter: self.number})

    def prolong(self) -> None:
        """Let the lease last for its duration from now. Raises LeaseLost."""
        if not self.rows().update(lease_until=db_now() + self.duration()):
            raise self.lost()

    def release(self) -> bool:
        """End the lease, so that another process can take it at once; return False when it was lost already."""
        return bool(self.rows().update(lease_until=None))

    def lost(self) -> LeaseLost:
        """Return the error that names the row."""
        return LeaseLost(lease=f"{self.model._meta.model_name}/{self.pk}")
