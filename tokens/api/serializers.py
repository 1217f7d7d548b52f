"""The parameters and responses of REST."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.parameters import (
    Environment,
    Name,
    Parameters,
    Reference,
    Several,
    Text,
    Whole,
    Word,
    missing,
)
from core.crypto import digest
from core.numbers import MAX_ID
from inventory.api.shapes import CustomFields, CustomFieldsParameter
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY, AccessLevel
from tokens.models import Token
from tokens.queries import get_token, live_token_groups, live_tokens


class PlainToken(serializers.Serializer[Any]):
    """A token inside a group."""

    value = serializers.CharField()
    description = serializers.CharField()
    priority = serializers.IntegerField(min_value=MIN_PRIORITY, max_value=MAX_PRIORITY)
    maxSdaCount = serializers.IntegerField(min_value=1)
    maxDuplicates = serializers.IntegerField(min_value=0)
    targetSdaId = serializers.IntegerField(allow_null=True)
    accessLevel = serializers.ChoiceField(AccessLevel.choices)
    env = serializers.DictField(child=serializers.CharField(allow_blank=True))
    grouplist = serializers.ListField(child=serializers.CharField())
    maxDevices = serializers.IntegerField(min_value=0, allow_null=True)


class GroupOfToken(serializers.Serializer[Any]):
    """A user group inside a token; `tokenlist` only for one object or if the list is requested."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    index = serializers.IntegerField()
    combine = serializers.BooleanField()
    tokenlist = serializers.ListField(child=serializers.CharField(), required=False)


@extend_schema_field(GroupOfToken(many=True))
class _Groups(serializers.ListField):
    pass


class TokenSerializer(PlainToken):
    """A customer's identity."""

    grouplist = _Groups()
    customFields = CustomFields()

    class Meta:
        ref_name = "Token"


class TokenGroupSerializer(serializers.Serializer[Any]):
    """A user group."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    index = serializers.IntegerField()
    combine = serializers.BooleanField()
    tokenlist = PlainToken(many=True)
    maxDevices = serializers.IntegerField(min_value=0, allow_null=True)


class TokenReference(Text):
    """The value of a token, validated to the token. Raises NotFound."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        value = super().run_validation(data)
        return get_token(value) if isinstance(value, str) and value else value


class TokenReferences(Several):
    """Values of tokens, validated to the tokens. Raises NotFound."""

    child = Text()

    def to_internal_value(self, data: Any) -> list[Token]:
        values = list(dict.fromkeys(super().to_internal_value(data)))
        found = list(live_tokens().filter(value_digest__in=[digest(value) for value in values]))
        if len(found) < len(values):
            raise missing(self.field_name, "…")
        return found


class NewToken(Parameters):
    """A new token."""

    desc = Text(source="description")
    priority = Whole(min_value=MIN_PRIORITY, max_value=MAX_PRIORITY, required=False)
    maxSdaCount = Whole(min_value=1, required=False, source="max_sda_count")
    maxDuplicates = Whole(required=False, source="max_duplicates")
    maxDevices = Whole(required=False, allow_null=True, source="max_devices")
    accessLevel = Word(AccessLevel.choices, required=False, source="access_level")
    env = Environment(required=False)
    customFields = CustomFieldsParameter()


class TokenChange(NewToken):
    """A change of a token."""

    token = TokenReference()
    desc = Text(source="description", required=False)
    targetSdaId = Whole(required=False, min_value=1, max_value=MAX_ID, source="sda_id")


class OneToken(Parameters):
    """The token to delete."""

    token = TokenReference()


class TokenGrouping(Parameters):
    """A token and a user group."""

    group = Reference(live_token_groups)
    token = TokenReference(required=False)
    tokenId = Reference(live_tokens, required=False, min_value=1, source="token")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require either `token` or `tokenId`."""
        if ("token" in self.initial_data) == ("tokenId" in self.initial_data):
            raise serializers.ValidationError({"token": [_("Give either token or tokenId.")]})
        return attrs


class NewTokenGroup(Parameters):
    """A new user group."""

    label: Any = Name(source="name")
    description = Text(required=False, allow_blank=True)
    maxDevices = Whole(required=False, allow_null=True, source="max_devices")
    tokens = TokenReferences(required=False)


class TokenGroupChange(Parameters):
    """A change of a user group."""

    id = Reference(live_token_groups, source="group")
    label: Any = Name(required=False, source="name")
    description = Text(required=False, allow_blank=True)
    index = Whole(required=False, min_value=-(2**31))
    maxDevices = Whole(required=False, allow_null=True, source="max_devices")
    tokens = TokenReferences(required=False)


class OneTokenGroup(Parameters):
    """The user group to delete."""

    id = Reference(live_token_groups, source="group")
    force = serializers.BooleanField(default=False)
