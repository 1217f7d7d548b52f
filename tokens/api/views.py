"""The views of REST."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.operators import OperatorView
from core.api.schema import reads, writes
from core.api.views import success
from sda.queries import get_sda
from sda.services.sdas import delete_token, set_current_sda
from tokens import services
from tokens.api import cards
from tokens.api import serializers as shapes
from tokens.api.filters import GroupFilter, TokenFilter
from tokens.models import Token, TokenGroup
from tokens.queries import live_token_groups, live_tokens


@extend_schema(tags=["token"])
class TokenView(OperatorView):
    """Tokens."""

    queryset = live_tokens()
    filterset_class = TokenFilter

    @reads(shapes.TokenSerializer)
    def list(self, _request: Request) -> Response:
        """List tokens."""
        return self.listed(list(cards.token_cards(self.page(live_tokens()), self.showing, env=True).values()))

    @writes(shapes.NewToken, shapes.TokenSerializer)
    def create(self, _request: Request) -> Response:
        """Create a token with a new value."""
        given: dict[str, Any] = {"custom_fields": {}, **self.given(shapes.NewToken)}
        return self._answer(services.create_token(**given, actor=self.actor))

    @writes(shapes.TokenChange, shapes.TokenSerializer)
    def update(self, _request: Request) -> Response:
        """Change a token, or which of its SDAs is current."""
        given = self.given(shapes.TokenChange)
        token, sda_id = given.pop("token"), given.pop("sda_id", None)
        with transaction.atomic():
            if sda_id is not None:
                set_current_sda(get_sda(token, sda_id, name="targetSdaId"), actor=self.actor)
            if given:
                services.update_token(token, actor=self.actor, **given)
        return self._answer(token)

    @writes(shapes.OneToken)
    def destroy(self, _request: Request) -> Response:
        """Delete a token that owns no SDA."""
        delete_token(self.given(shapes.OneToken)["token"], actor=self.actor)
        return success()

    def _answer(self, token: Token) -> Response:
        mine = live_tokens().filter(pk=token.pk)
        (card,) = cards.token_cards(mine, self.showing, env=True).values()
        return success(card)


@extend_schema(tags=["token"])
class GroupingView(OperatorView):
    """Which token is in which user group."""

    @writes(shapes.TokenGrouping, shapes.TokenGroupSerializer)
    def create(self, _request: Request) -> Response:
        """Put a token into a user group."""
        return self._answer(services.add_token_to_group)

    @writes(shapes.TokenGrouping, shapes.TokenGroupSerializer)
    def destroy(self, _request: Request) -> Response:
        """Take a token out of a user group."""
        return self._answer(services.remove_token_from_group)

    def _answer(self, verb: Any) -> Response:
        given = self.given(shapes.TokenGrouping)
        verb(given["token"], given["group"], actor=self.actor)
        return success(group_card(given["group"], self))


@extend_schema(tags=["token"])
class GroupView(OperatorView):
    """User groups."""

    queryset = live_token_groups()
    filterset_class = GroupFilter

    @reads(shapes.TokenGroupSerializer)
    def list(self, _request: Request) -> Response:
        """List user groups."""
        return self.listed(cards.group_cards(self.page(live_token_groups()), self.showing))

    @writes(shapes.NewTokenGroup, shapes.TokenGroupSerializer)
    def create(self, _request: Request) -> Response:
        """Create a user group."""
        group = services.create_token_group(**self.given(shapes.NewTokenGroup), actor=self.actor)
        return success(group_card(group, self))

    @writes(shapes.TokenGroupChange, shapes.TokenGroupSerializer)
    def update(self, _request: Request) -> Response:
        """Change a user group, or exactly which tokens are in it."""
        given = self.given(shapes.TokenGroupChange)
        return success(group_card(services.update_token_group(**given, actor=self.actor), self))

    @writes(shapes.OneTokenGroup)
    def destroy(self, _request: Request) -> Response:
        """Delete a user group."""
        services.delete_token_group(**self.given(shapes.OneTokenGroup), actor=self.actor)
        return success()


def group_card(group: TokenGroup, view: OperatorView) -> dict[str, Any]:
    """Return a user group as the caller of the view may see it."""
    (card,) = cards.group_cards(live_token_groups().filter(pk=group.pk), view.showing)
    return card
