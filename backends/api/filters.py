from django_filters import rest_framework as filters

from backends.choices import BackendStatus
from moreh_cloud.lib.api.filters import EXPAND, WholeFilter, WordFilter, keep


class BackendFilter(filters.FilterSet):
    id = WholeFilter()
    name = filters.CharFilter()
    status = WordFilter(choices=BackendStatus.choices)
    group = WholeFilter("group")
    expand = WordFilter(choices=EXPAND, method=keep)
    ordering = filters.OrderingFilter(
        fields=(("pk", "id"), ("name", "name"), ("status", "status"), ("group", "group")), label="ordering"
    )


class GroupFilter(filters.FilterSet):
    id = WholeFilter()
    name = filters.CharFilter()
    ordering = filters.OrderingFilter(fields=(("pk", "id"), ("name", "name"), ("index", "index")), label="ordering")
