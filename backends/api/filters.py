"""The parameters of lists."""

from typing import Any

from django.db.models import QuerySet

from backends.choices import BackendStatus
from backends.models import BackendGroupFieldValue, NodeFieldValue
from core.api.filters import EXPAND, Ordering, TextFilter, WholeFilter, WordFilter, keep
from inventory.api.shapes import WithFieldFilters
from scheduler.queries.node_choice import with_tag


class BackendFilter(WithFieldFilters):
    """The parameters of the list of backends."""

    field_values = NodeFieldValue

    id = WholeFilter()
    name = TextFilter()
    status = WordFilter(choices=BackendStatus.choices)
    group = WholeFilter("group")
    rack = TextFilter()
    serial = TextFilter()
    tag = TextFilter(method="tagged")
    expand = WordFilter(choices=EXPAND, method=keep)
    ordering = Ordering(
        fields=(("pk", "id"), ("name", "name"), ("status", "status"), ("group", "group")), label="ordering"
    )

    def tagged(self, backends: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Return the backends with this tag."""
        return with_tag(backends, value)


class GroupFilter(WithFieldFilters):
    """The parameters of the list of backend groups."""

    field_values = BackendGroupFieldValue

    id = WholeFilter()
    name = TextFilter()
    ordering = Ordering(fields=(("pk", "id"), ("name", "name"), ("index", "index")), label="ordering")
