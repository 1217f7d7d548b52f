"""Views of what customers may use: SDA models, their groups, memberships."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from core.api.schema import reads, writes
from core.api.views import success
from core.errors import NotFound
from scheduler.services.groups import leave_group
from sda.api import cards
from sda.api import serializers as shapes
from sda.api.filters import GroupFilter, MembershipFilter, SdaModelFilter
from sda.models import SdaModel, SdaModelGroup
from sda.queries import live_model_groups, live_models, memberships
from sda.services import models as services
from tokens.queries import find_token, live_token_groups


@extend_schema(tags=["sdamodel"])
class SdaModelView(OperatorView):
    """SDA models."""

    queryset = live_models()
    filterset_class = SdaModelFilter

    @reads(shapes.SDAModelSerializer)
    def list(self, _request: Request) -> Response:
        """List SDA models, or what one token may use."""
        chosen: Any = self.filter_queryset(live_models())
        value = self.asked.get("token")
        if not value:
            return self.listed(cards.model_cards(self.cut(chosen), self.showing))
        token = find_token(str(value))
        entries = cards.usable_cards(token, chosen, self.showing) if token else []
        return self.listed(self.cut(entries))

    @writes(shapes.NewModel, shapes.SDAModelSerializer)
    def create(self, _request: Request) -> Response:
        """Create a model that is open to every token until it joins a group."""
        given: dict[str, Any] = {"custom_fields": {}, **self.given(shapes.NewModel)}
        return self._answer(services.create_sda_model(**given, actor=self.actor))

    @writes(shapes.OneModel)
    def destroy(self, _request: Request) -> Response:
        """Delete a model that no SDA has."""
        services.delete_sda_model(**self.given(shapes.OneModel), actor=self.actor)
        return success()

    def _answer(self, model: SdaModel) -> Response:
        (card,) = cards.model_cards(live_models().filter(pk=model.pk), self.showing)
        return success(card)


@extend_schema(tags=["sdamodel"])
class GroupingView(OperatorView):
    """Which SDA model is in which group."""

    @writes(shapes.SdaModelGrouping, shapes.SDAModelGroupSerializer)
    def create(self, _request: Request) -> Response:
        """Put a model into a group; a model that joins its first group is no longer open to every token."""
        return self._answer(services.add_model_to_group)

    @writes(shapes.SdaModelGrouping, shapes.SDAModelGroupSerializer)
    def destroy(self, _request: Request) -> Response:
        """Take a model out of a group."""
        return self._answer(services.remove_model_from_group)

    def _answer(self, verb: Any) -> Response:
        given = self.given(shapes.SdaModelGrouping)
        verb(**given, actor=self.actor)
        return success(group_card(given["group"], self))


@extend_schema(tags=["sdamodel"])
class GroupView(OperatorView):
    """SDA model groups."""

    queryset = live_model_groups()
    filterset_class = GroupFilter

    @reads(shapes.SDAModelGroupSerializer)
    def list(self, _request: Request) -> Response:
        """List SDA model groups."""
        return self.listed(cards.model_group_cards(self.page(live_model_groups()), self.showing))

    @writes(shapes.NewSdaModelGroup, shapes.SDAModelGroupSerializer)
    def create(self, _request: Request) -> Response:
        """Create an SDA model group."""
        given = self.given(shapes.NewSdaModelGroup)
        return success(group_card(services.create_sda_model_group(**given, actor=self.actor), self))

    @writes(shapes.SdaModelGroupChange, shapes.SDAModelGroupSerializer)
    def update(self, _request: Request) -> Response:
        """Change an SDA model group, or exactly which models are in it."""
        given = self.given(shapes.SdaModelGroupChange)
        return success(group_card(services.update_sda_model_group(**given, actor=self.actor), self))

    @writes(shapes.OneSdaModelGroup)
    def destroy(self, _request: Request) -> Response:
        """Delete an SDA model group, or let one SDA leave it."""
        given = self.given(shapes.OneSdaModelGroup)
        if sda_id := given.pop("sdaid", None):
            leave_group(given["group"], sda_id, actor=self.actor, force=given["force"])
        else:
            services.delete_sda_model_group(**given, actor=self.actor)
        return success()


@extend_schema(tags=["membership"])
class MembershipView(OperatorView):
    """Memberships."""

    queryset = live_token_groups()
    filterset_class = MembershipFilter

    @reads(shapes.MembershipSerializer)
    def list(self, _request: Request) -> Response:
        """List user groups, each with its SDA model groups."""
        return self.listed(cards.membership_cards(self.page(live_token_groups()), self.showing))

    @writes(shapes.MembershipPair, shapes.MembershipSerializer)
    def create(self, _request: Request) -> Response:
        """Allow the tokens of a user group the models of an SDA model group."""
        given = self.given(shapes.MembershipPair)
        services.create_membership(**given, actor=self.actor)
        return self._answer(given["token_group"])

    @writes(shapes.MembershipPair, shapes.MembershipSerializer)
    def destroy(self, _request: Request) -> Response:
        """Delete a membership."""
        given = self.given(shapes.MembershipPair)
        membership = memberships().filter(**given).first()
        if membership is None:
            raise NotFound(parentId=given["token_group"].pk, childId=given["model_group"].pk)
        services.delete_membership(membership, actor=self.actor)
        return self._answer(given["token_group"])

    def _answer(self, group: Any) -> Response:
        (card,) = cards.membership_cards(live_token_groups().filter(pk=group.pk), self.showing)
        return success(card)


def group_card(group: SdaModelGroup, view: OperatorView) -> dict[str, Any]:
    """Return an SDA model group as the caller of the view may see it."""
    (card,) = cards.model_group_cards(live_model_groups().filter(pk=group.pk), view.showing)
    return card
