"""Queries about SDAs, their models, and who may use them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from backends.choices import DEFAULT_GROUP
from backends.models import BackendGroup
from core.errors import NotFound
from core.tombstone import LIVE
from sda.errors import ModelNotAllowed
from sda.models import Membership, Sda, SdaModel, SdaModelGroup
from tokens.models import Token

WITH_TOKENS = Q(
    token_group__deleted_at__isnull=True,
    token_group__tokens__deleted_at__isnull=True,
    token_group__tokens__isnull=False,
)


@dataclass(frozen=True, slots=True)
class ModelAccess:
    """One way in which a token may use a model: through a group, or because the model is open (no group)."""

    model: SdaModel
    group: SdaModelGroup | None

    @property
    def backend_group_id(self) -> int:
        """Return the id of the backend group whose nodes serve it."""
        return (self.group and self.group.backend_group_id) or DEFAULT_GROUP


def live_models() -> QuerySet[SdaModel]:
    """Return every SDA model that was not deleted, with its groups."""
    return SdaModel.objects.live().prefetch_related("groups__backend_group")


def live_model_groups() -> QuerySet[SdaModelGroup]:
    """Return every SDA model group that was not deleted, with its backend group."""
    return SdaModelGroup.objects.live().select_related("backend_group")


def live_sdas(token: Token | None = None) -> QuerySet[Sda]:
    """Return the SDAs of one token or of all, oldest first."""
    sdas: QuerySet[Sda] = Sda.objects.live().select_related("token", "model", "model_group").order_by("pk")
    return sdas.filter(token=token) if token else sdas


def current_sdas(tokens: QuerySet[Token]) -> Mapping[int, int]:
    """Return the id of the current SDA of each of some tokens, by the token's id."""
    owned = Sda.objects.live().filter(current=True, token__in=tokens.values("pk"))
    return dict(owned.values_list("token_id", "pk"))


def memberships() -> QuerySet[Membership]:
    """Return every membership with its groups."""
    return Membership.objects.select_related("token_group", "model_group__backend_group")


def tokens_of_model_groups(groups: Iterable[int]) -> list[tuple[int, int]]:
    """Return pairs of an SDA model group and a token that may use its models by a membership."""
    ways = Membership.objects.filter(WITH_TOKENS, model_group__in=list(groups))
    return list(ways.values_list("model_group", "token_group__tokens").distinct())


def tokens_of_backend_groups(groups: Iterable[int]) -> list[tuple[int, int]]:
    """Return pairs of a backend group and a token that may use its nodes by a membership."""
    ways = Membership.objects.filter(
        WITH_TOKENS, model_group__backend_group__in=list(groups), model_group__deleted_at__isnull=True
    )
    return list(ways.values_list("model_group__backend_group", "token_group__tokens").distinct())


def access_of(token: Token) -> list[ModelAccess]:
    """Return every way in which a token may use a model, ordered by the ids of models, in three queries."""
    groups = SdaModelGroup.objects.live().filter(
        memberships__token_group__tokens=token, memberships__token_group__deleted_at__isnull=True
    )
    named = groups.distinct().order_by("index", "pk").prefetch_related("sda_models")
    ways = [
        ModelAccess(model, group) for group in named for model in group.sda_models.all() if model.deleted_at is None
    ]
    ways += [ModelAccess(model, None) for model in SdaModel.objects.live().filter(open=True)]
    return sorted(ways, key=lambda way: way.model.pk)


def require_access(token: Token, model: SdaModel, group: SdaModelGroup | None = None) -> ModelAccess:
    """Return the first way in which the token may use the model, of `group` if given. Raises ModelNotAllowed."""
    for way in access_of(token):
        if way.model.pk == model.pk and (group is None or way.group == group):
            return way
    raise ModelNotAllowed(model=model.name)


def get_sda(token: Token, sda_id: int | None = None, *, name: str = "sdaId") -> Sda:
    """Return the SDA of the token with `sda_id`, else the current one. Raises NotFound, with `name` as parameter."""
    wanted = live_sdas(token).filter(pk=sda_id) if sda_id else live_sdas(token).filter(current=True)
    sda = wanted.first()
    if sda is None:
        text = _("This token has no such SDA.") if sda_id else _("This token has no SDA yet: add one first.")
        details: dict[str, Any] = {name: sda_id or "current"}
        raise NotFound(text, **details)
    return sda


def backend_group_of(sda: Sda) -> int:
    """Return the id of the backend group that serves this SDA."""
    return (sda.model_group and sda.model_group.backend_group_id) or DEFAULT_GROUP


def is_backend_group_used(group: BackendGroup) -> bool:
    """Whether an SDA model group is bound to the backend group."""
    return SdaModelGroup.objects.filter(LIVE, backend_group=group).exists()
