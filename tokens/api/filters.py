"""The parameters of lists."""

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from core.api.filters import EXPAND, Ordering, TextFilter, WholeFilter, WordFilter, keep
from core.crypto import digest
from inventory.api.shapes import WithFieldFilters
from tokens.models import Token, TokenFieldValue


class TokenFilter(WithFieldFilters):
    """The parameters of the list of tokens."""

    field_values = TokenFieldValue

    token = TextFilter(method="by_value")
    maxDuplicates = WholeFilter("max_duplicates")
    group = WholeFilter("groups")
    description = TextFilter(lookup_expr="icontains")
    expand = WordFilter(choices=EXPAND, method=keep)
    ordering = Ordering(
        fields=(("pk", "id"), ("description", "description"), ("priority", "priority")), label="ordering"
    )

    def by_value(self, tokens: QuerySet[Token], _name: str, value: str) -> QuerySet[Token]:
        """Return the token with this value."""
        return tokens.filter(value_digest=digest(value))


class GroupFilter(filters.FilterSet):
    """The parameters of the list of user groups."""

    id = WholeFilter()
    name = TextFilter()
    ordering = Ordering(fields=(("pk", "id"), ("name", "name"), ("index", "index")), label="ordering")
