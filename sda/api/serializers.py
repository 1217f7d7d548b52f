"""The parameters and responses of REST."""

from typing import Any

from rest_framework import serializers

from backends.api.serializers import BackendSerializer, GroupOfBackend
from backends.choices import DEFAULT_GROUP
from backends.queries import live_backend_groups
from core.api.parameters import Name, Parameters, Reference, References, Text, Whole
from core.numbers import MAX_ID
from inventory.api.shapes import CustomFields, CustomFieldsParameter
from sda.queries import live_model_groups, live_models
from tokens.api.serializers import PlainToken, TokenGroupSerializer, TokenReference, TokenSerializer
from tokens.queries import live_token_groups


class NamedBackendGroup(serializers.Serializer[Any]):
    """The backend group that serves a model group."""

    id = serializers.IntegerField()
    name = serializers.CharField()


class NamedModel(serializers.Serializer[Any]):
    """A model inside a group."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    numDevices = serializers.IntegerField()


class GroupOfModel(GroupOfBackend):
    """An SDA model group inside a model; `tokenlist` only for one object or if the list is requested."""

    backendGroup = NamedBackendGroup()


class SDAModelGroupSerializer(GroupOfModel):
    """A set of SDA models, bound to one backend group."""

    tokenlist = PlainToken(many=True)
    sdamodels = NamedModel(many=True)


class GroupOfMembership(GroupOfBackend):
    """An SDA model group inside a user group."""

    backendGroup = NamedBackendGroup()
    sdamodels = NamedModel(many=True)


class MembershipSerializer(TokenGroupSerializer):
    """A user group with the SDA model groups whose models its tokens may use."""

    sdamodelgroups = GroupOfMembership(many=True)


class SDAModelSerializer(serializers.Serializer[Any]):
    """A model of accelerator; `group` is the first of its groups."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    numDevices = serializers.IntegerField()
    description = serializers.CharField()
    open = serializers.BooleanField()
    groups = GroupOfModel(many=True)
    group = GroupOfModel(allow_null=True)
    customFields = CustomFields()


class SDASerializer(serializers.Serializer[Any]):
    """A token's accelerator; its backends have only the devices that it holds now."""

    id = serializers.IntegerField()
    modelId = serializers.IntegerField()
    sdamodelName = serializers.CharField()
    groupId = serializers.IntegerField(allow_null=True)
    token = TokenSerializer()
    reserved = serializers.BooleanField()
    current = serializers.BooleanField()
    numDevices = serializers.IntegerField()
    description = serializers.CharField()
    backends = BackendSerializer(many=True)


class SdaUse(serializers.Serializer[Any]):
    """What the devices of one SDA are doing."""

    totalMemory = serializers.IntegerField(help_text="MiB; 0 until an agent has reported it.")
    usedMemory = serializers.IntegerField(allow_null=True, help_text="MiB")
    temperature = serializers.FloatField(allow_null=True, help_text="°C, of the hottest")
    gpuPower = serializers.FloatField(allow_null=True, help_text="W, of all together")
    utilization = serializers.FloatField(allow_null=True, help_text="%, on average")
    sda = SDASerializer()


class JobUse(serializers.Serializer[Any]):
    """A running job and its use of its SDA."""

    id = serializers.IntegerField()
    pid = serializers.IntegerField()
    ptype = serializers.ChoiceField(["C"])
    processName = serializers.CharField()
    sdautils = SdaUse(many=True)


class NewModel(Parameters):
    """A new SDA model."""

    name = Name()
    numDevices = Whole(min_value=1, source="num_devices")
    desc = Text(required=False, allow_blank=True, source="description")
    customFields = CustomFieldsParameter()


class OneModel(Parameters):
    """The SDA model to delete."""

    sdamodel = Reference(live_models, source="model")


class SdaModelGrouping(Parameters):
    """An SDA model and an SDA model group."""

    sdamodel = Reference(live_models, source="model")
    group = Reference(live_model_groups)


class NewSdaModelGroup(Parameters):
    """A new SDA model group."""

    label: Any = Name(source="name")
    groupId = Reference(live_backend_groups, required=False, source="backend_group")
    description = Text(required=False, allow_blank=True)
    sdamodels = References(live_models, required=False, source="models")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Bind the group to the default backend group unless another one is given."""
        return {"backend_group": live_backend_groups().get(pk=DEFAULT_GROUP), **attrs}


class SdaModelGroupChange(Parameters):
    """A change of an SDA model group."""

    id = Reference(live_model_groups, source="group")
    label: Any = Name(required=False, source="name")
    groupId = Reference(live_backend_groups, required=False, source="backend_group")
    description = Text(required=False, allow_blank=True)
    index = Whole(required=False, min_value=-(2**31))
    sdamodels = References(live_models, required=False, source="models")


class OneSdaModelGroup(Parameters):
    """The SDA model group to delete, or the SDA that leaves it."""

    id = Reference(live_model_groups, source="group")
    sdaid = Whole(required=False, min_value=1, max_value=MAX_ID, help_text="Only this SDA leaves the group.")
    force = serializers.BooleanField(default=False)


class MembershipPair(Parameters):
    """A user group and an SDA model group."""

    parentId = Reference(live_token_groups, source="token_group")
    childId = Reference(live_model_groups, source="model_group")


class NewSda(Parameters):
    """A new SDA."""

    model = Reference(live_models)
    token = TokenReference()
    desc = Text(allow_blank=True, source="alias")
    reserved = serializers.BooleanField()
    group = Reference(live_model_groups, required=False)


class SdaChange(Parameters):
    """Another model for an SDA."""

    token = TokenReference()
    model = Reference(live_models)
    sdaId = Whole(required=False, min_value=1, max_value=MAX_ID, source="sda_id")
    group = Reference(live_model_groups, required=False)


class SdaOfToken(Parameters):
    """The SDA of a token to delete; all of them when none is named."""

    token = TokenReference()
    sdaId = Whole(required=False, min_value=1, max_value=MAX_ID, source="sda_id")
    force = serializers.BooleanField(default=False)
