"""Lists of ids in which some are wider than 64 bits: no row has such a number, and SQLite cannot bind it.

Django leaves such numbers out of plain comparisons, but not out of `__in` or comparisons of foreign keys.
"""

from typing import Any

from django.db.models import ForeignKey, IntegerField
from django.db.models.fields.related_lookups import RelatedExact, RelatedIn
from django.db.models.lookups import In

from core.numbers import MAX_ID


def leave_out() -> None:
    """Register lookups that match no row for numbers that are wider than 64 bits."""
    IntegerField.register_lookup(NarrowIn)
    ForeignKey.register_lookup(NarrowRelatedIn)
    ForeignKey.register_lookup(NarrowRelatedExact)


class NarrowIn(In):
    """`__in` on integers, without values that are wider than 64 bits."""

    def get_prep_lookup(self) -> Any:
        """Return the values that a column can hold."""
        found = super().get_prep_lookup()
        return [value for value in found if not _is_wide(value)] if self.rhs_is_direct_value() else found


class NarrowRelatedIn(RelatedIn):
    """`__in` on foreign keys, without values that are wider than 64 bits."""

    def get_prep_lookup(self) -> Any:
        """Return the values that a column can hold."""
        found = super().get_prep_lookup()
        return [value for value in found if not _is_wide(value)] if self.rhs_is_direct_value() else found


class NarrowRelatedExact(RelatedExact):
    """Comparison of a foreign key; a value that is wider than 64 bits matches no row."""

    def get_prep_lookup(self) -> Any:
        """Return the value, or one that no row has."""
        found = super().get_prep_lookup()
        return -1 if _is_wide(found) else found


def _is_wide(value: object) -> bool:
    return isinstance(value, int) and not -MAX_ID <= value <= MAX_ID
