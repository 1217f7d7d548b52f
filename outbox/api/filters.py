"""Filters of lists."""

from typing import Any

from django_filters import rest_framework as filters

from core.api.filters import TextFilter, TimeFilter, WholeFilter, WordFilter
from outbox.choices import AttemptResult, ChannelKind, DeliveryState


class ChannelFilter(filters.FilterSet):
    """The parameters of the list of channels."""

    id = WholeFilter()
    name = TextFilter(lookup_expr="icontains")
    kind = WordFilter(choices=ChannelKind.choices)


class DeliveryFilter(filters.FilterSet):
    """The parameters of the list of deliveries."""

    id = WholeFilter()
    channel = WholeFilter()
    kind = TextFilter()
    about = TextFilter(field_name="ordering_key")
    state = WordFilter(choices=DeliveryState.choices)

    @classmethod
    def get_filters(cls) -> dict[str, Any]:
        """Add `from` and `to`, which no class attribute can be called."""
        found = super().get_filters()
        return {**found, "from": TimeFilter("created_at", "gte"), "to": TimeFilter("created_at", "lte")}


class AttemptFilter(filters.FilterSet):
    """The parameters of the delivery log."""

    id = WholeFilter()
    channel = WholeFilter()
    delivery = WholeFilter(field_name="message__deliveries")
    result = WordFilter(choices=AttemptResult.choices)

    @classmethod
    def get_filters(cls) -> dict[str, Any]:
        """Add `from` and `to`, which no class attribute can be called."""
        found = super().get_filters()
        return {**found, "from": TimeFilter("at", "gte"), "to": TimeFilter("at", "lte")}
