from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from moreh_cloud.lib.api.filters import EXPAND, WholeFilter, WordFilter, keep
from moreh_cloud.lib.crypto import digest


class SdaModelFilter(filters.FilterSet):
    token = filters.CharFilter(method=keep, label="only what this token may use, an entry per model and model group")
    id = WholeFilter()
    name = filters.CharFilter()
    expand = WordFilter(choices=EXPAND, method=keep)
    ordering = filters.OrderingFilter(
        fields=(("pk", "id"), ("name", "name"), ("num_devices", "numDevices")), label="ordering"
    )


class GroupFilter(filters.FilterSet):
    id = WholeFilter()
    name = filters.CharFilter()
    ordering = filters.OrderingFilter(fields=(("pk", "id"), ("name", "name"), ("index", "index")), label="ordering")


class SdaFilter(filters.FilterSet):
    token = filters.CharFilter(method="of_token")
    id = WholeFilter()
    expand = WordFilter(choices=EXPAND, method=keep)
    ordering = filters.OrderingFilter(fields=(("pk", "id"), ("token", "token"), ("model", "modelId")), label="ordering")

    def of_token(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Keep what belongs to the token with this value."""
        return rows.filter(token__value_digest=digest(value))


class UtilizationFilter(SdaFilter):
    id = WholeFilter(label="job")
    ordering = filters.OrderingFilter(fields=(("pk", "id"),), label="ordering")


class MembershipFilter(filters.FilterSet):
    group = WholeFilter("id")
