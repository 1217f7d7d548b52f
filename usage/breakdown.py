"""Usage grouped by token, SDA model, device model, backend group or user group, with names."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from backends.models import BackendGroup
from sda.models import SdaModel
from tokens.models import Token, TokenGroup
from usage.metering import Times
from usage.rollups.measure import Key


class GroupBy(StrEnum):
    """By what usage is grouped. The values stay as they are on the wire."""

    TOKEN = "token"  # noqa: S105
    SDA_MODEL = "sdaModel"
    DEVICE_MODEL = "deviceModel"
    BACKEND_GROUP = "backendGroup"
    TOKEN_GROUP = "tokenGroup"  # noqa: S105


FIELDS: Mapping[GroupBy, str] = {
    GroupBy.TOKEN: "token",
    GroupBy.SDA_MODEL: "sda_model",
    GroupBy.DEVICE_MODEL: "device_model",
    GroupBy.BACKEND_GROUP: "group",
    GroupBy.TOKEN_GROUP: "token",
}


@dataclass(frozen=True, slots=True)
class NamedUsage:
    """The usage of one group; without an id it is a device model, or all tokens that are in no user group."""

    id: int | None
    name: str
    times: Times


class Names:
    """The names of all groups of one kind, deleted ones included, and the user groups in which each token is now."""

    def __init__(self, by: GroupBy, keys: Sequence[int]) -> None:
        self.by = by
        self._groups: defaultdict[int, list[int]] = defaultdict(list)
        if by == GroupBy.TOKEN_GROUP:
            pairs = TokenGroup.objects.live().filter(tokens__isnull=False).order_by().values_list("tokens", "pk")
            for token, group in pairs:
                self._groups[token].append(group)
        self._names = self._read(keys)

    def _read(self, keys: Sequence[int]) -> Mapping[int, str]:
        match self.by:
            case GroupBy.TOKEN:
                return dict(Token.objects.filter(pk__in=keys).values_list("pk", "description"))
            case GroupBy.SDA_MODEL:
                return dict(SdaModel.objects.values_list("pk", "name"))
            case GroupBy.BACKEND_GROUP:
                return dict(BackendGroup.objects.values_list("pk", "name"))
            case GroupBy.TOKEN_GROUP:
                return dict(TokenGroup.objects.values_list("pk", "name"))
        return {}

    def named(self, found: Mapping[Key, Times]) -> list[NamedUsage]:
        """Return the usage of each group with its name, the most first.

        A token that is in several user groups counts in full in each of them.
        """
        if self.by == GroupBy.DEVICE_MODEL:
            return _sorted([NamedUsage(None, str(model), times) for (model,), times in found.items()])
        sums: defaultdict[int | None, Times] = defaultdict(Times)
        for (key,), times in found.items():
            for owner in self._owners(key):
                sums[owner] += times
        return _sorted([NamedUsage(pk, self._names[pk] if pk is not None else "", times) for pk, times in sums.items()])

    def _owners(self, key: int) -> Sequence[int | None]:
        return self._groups.get(key) or [None] if self.by == GroupBy.TOKEN_GROUP else [key]


def _sorted(usages: list[NamedUsage]) -> list[NamedUsage]:
    return sorted(usages, key=lambda usage: (-usage.times.device_ms, usage.id or -1, usage.name))
