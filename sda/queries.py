from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from backends.choices import DEFAULT_GROUP
from backends.models import BackendGroup
from moreh_cloud.lib.errors import NotFound
from moreh_cloud.lib.tombstone import LIVE
from sda.errors import ModelNotAllowed
from sda.models import Membership, Sda, SdaModel, SdaModelGroup
from tokens.models import Token


@dataclass(frozen=True, slots=True)
class Access:
    """One way in which a token may use a model: through a group, or openly (no group)."""

    model: SdaModel
    group: SdaModelGroup | None

    @property
    def backend_group_id(self) -> int:
        return (self.group and self.group.backend_group_id) or DEFAULT_GROUP


def live_models() -> QuerySet[SdaModel]:
    return SdaModel.objects.live().prefetch_related("groups__backend_group")


def live_model_groups() -> QuerySet[SdaModelGroup]:
    return SdaModelGroup.objects.live().select_related("backend_group")


def live_sdas(token: Token | None = None) -> QuerySet[Sda]:
    """Give the SDAs of one token or of all, oldest first."""
    sdas: QuerySet[Sda] = Sda.objects.live().select_related("token", "model", "model_group").order_by("pk")
    return sdas.filter(token=token) if token else sdas


def memberships() -> QuerySet[Membership]:
    return Membership.objects.select_related("token_group", "model_group__backend_group")


def access_of(token: Token) -> list[Access]:
    """List every way in which a token may use a model, in three queries, models in order of their ids."""
    groups = SdaModelGroup.objects.live().filter(
        memberships__token_group__tokens=token, memberships__token_group__deleted_at__isnull=True
    )
    named = groups.distinct().order_by("index", "pk").prefetch_related("sda_models")
    ways = [Access(model, group) for group in named for model in group.sda_models.all() if model.deleted_at is None]
    ways += [Access(model, None) for model in SdaModel.objects.live().filter(open=True)]
    return sorted(ways, key=lambda way: way.model.pk)


def require_access(token: Token, model: SdaModel, group: SdaModelGroup | None = None) -> Access:
    """Find how the token may use the model, through `group` when one is named. Raises ModelNotAllowed."""
    for way in access_of(token):
        if way.model.pk == model.pk and (group is None or way.group == group):
            return way
    raise ModelNotAllowed(model=model.name)


def get_sda(token: Token, sda_id: int | None = None, *, name: str = "sdaId") -> Sda:
    """Find an SDA of the token, the current one unless another is named. Raises NotFound, naming the parameter."""
    wanted = live_sdas(token).filter(pk=sda_id) if sda_id else live_sdas(token).filter(current=True)
    sda = wanted.first()
    if sda is None:
        text = _("This token has no such SDA.") if sda_id else _("This token has no SDA yet: add one first.")
        details: dict[str, Any] = {name: sda_id or "current"}
        raise NotFound(text, **details)
    return sda


def backend_group_of(sda: Sda) -> int:
    """Give the id of the backend group that serves this SDA."""
    return (sda.model_group and sda.model_group.backend_group_id) or DEFAULT_GROUP


def is_backend_group_used(group: BackendGroup) -> bool:
    return SdaModelGroup.objects.filter(LIVE, backend_group=group).exists()
