"""The parameters of lists."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from core.api.filters import EXPAND, Ordering, TextFilter, WholeFilter, WordFilter, keep
from core.crypto import digest
from inventory.api.shapes import WithFieldFilters
from sda.models import SdaModelFieldValue


class SdaModelFilter(WithFieldFilters):
    """The parameters of the list of SDA models."""

    field_values = SdaModelFieldValue

    token = TextFilter(method=keep, label="only what this token may use, an entry per model and model group")
    id = WholeFilter()
    name = TextFilter()
    expand = WordFilter(choices=EXPAND, method=keep)
    ordering = Ordering(fields=(("pk", "id"), ("name", "name"), ("num_devices", "numDevices")), label="ordering")


class GroupFilter(filters.FilterSet):
    """The parameters of the list of SDA model groups."""

    id = WholeFilter()
    name = TextFilter()
    ordering = Ordering(fields=(("pk", "id"), ("name", "name"), ("index", "index")), label="ordering")


class SdaFilter(filters.FilterSet):
    """The parameters of the list of SDAs."""

    token = TextFilter(method="of_token")
    id = WholeFilter()
    expand = WordFilter(choices=EXPAND, method=keep)
    ordering = Ordering(fields=(("pk", "id"), ("token", "token"), ("model", "modelId")), label="ordering")

    def of_token(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Return the rows of the token with this value."""
        return rows.filter(token__value_digest=digest(value))


class UtilizationFilter(SdaFilter):
    """The parameters of the list of running jobs."""

    id = WholeFilter(label="job")
    ordering = Ordering(fields=(("pk", "id"),), label="ordering")


class MembershipFilter(filters.FilterSet):
    """The parameters of the list of memberships."""

    group = WholeFilter("id")
