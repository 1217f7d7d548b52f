from django.db.models import QuerySet
from django_filters import rest_framework as filters

from moreh_cloud.lib.api.filters import EXPAND, WholeFilter, WordFilter, keep
from moreh_cloud.lib.crypto import digest
from tokens.models import Token


class TokenFilter(filters.FilterSet):
    token = filters.CharFilter(method="by_value")
    maxDuplicates = WholeFilter("max_duplicates")
    group = WholeFilter("groups")
    description = filters.CharFilter(lookup_expr="icontains")
    expand = WordFilter(choices=EXPAND, method=keep)
    ordering = filters.OrderingFilter(
        fields=(("pk", "id"), ("description", "description"), ("priority", "priority")), label="ordering"
    )

    def by_value(self, tokens: QuerySet[Token], _name: str, value: str) -> QuerySet[Token]:
        """Find the token with this value."""
        return tokens.filter(value_digest=digest(value))


class GroupFilter(filters.FilterSet):
    id = WholeFilter()
    name = filters.CharFilter()
    ordering = filters.OrderingFilter(fields=(("pk", "id"), ("name", "name"), ("index", "index")), label="ordering")
