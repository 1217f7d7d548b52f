"""The parameters and responses of REST."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from rest_framework import serializers

from alerts.choices import Category, Level
from alerts.subjects import Subject, parse_subject
from backends.queries import live_backend_groups
from core.api.filters import TextFilter, WholeFilter, WordFilter
from core.api.parameters import Name, Parameters, Reference, References, Several, Text, Whole, Word, missing
from core.api.times import At
from core.clock import db_now
from inventory.queries import all_tags, tag_key
from notifications.choices import Weekday
from notifications.queries import live_rules, silences
from outbox.queries import live_channels
from tokens.queries import live_tokens

STATES = [("ACTIVE", _("in force")), ("PENDING", _("to come")), ("ENDED", _("ended"))]


class MatchSerializer(serializers.Serializer[Any]):
    """Which alerts are meant."""

    categories = serializers.ListField(child=serializers.ChoiceField(Category.choices))
    leastLevel = serializers.ChoiceField(Level.choices)
    groups = serializers.ListField(child=serializers.IntegerField())
    tags = serializers.ListField(child=serializers.CharField())
    tokens = serializers.ListField(child=serializers.IntegerField())


class RuleSerializer(MatchSerializer):
    """A rule: which alerts go to which channels, and when."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    enabled = serializers.BooleanField()
    channels = serializers.ListField(child=serializers.IntegerField())
    groupWait = serializers.IntegerField()
    repeatEvery = serializers.IntegerField(allow_null=True)
    sendResolved = serializers.BooleanField()
    weekdays = serializers.ListField(child=serializers.ChoiceField(Weekday.choices))
    fromTime = serializers.CharField(allow_null=True)
    toTime = serializers.CharField(allow_null=True)
    timeZone = serializers.CharField()


class SilenceSerializer(MatchSerializer):
    """A silence: a time in which alerts are not told."""

    id = serializers.IntegerField()
    about = serializers.CharField()
    comment = serializers.CharField()
    createdBy = serializers.CharField()
    createdAt = At()

    def get_fields(self) -> dict[str, Any]:
        """Add the fields that are no names in Python."""
        return {**super().get_fields(), "from": At(), "to": At()}


class TagNames(Several):
    """Names of tags, which it gives as tags. Raises NotFound."""

    def to_internal_value(self, data: Any) -> list[Any]:
        keys = {tag_key(name): name for name in super().to_internal_value(data)}
        found = {tag.key: tag for tag in all_tags().filter(key__in=keys)}
        if unknown := [name for key, name in keys.items() if key not in found]:
            raise missing(self.field_name, unknown)
        return list(found.values())


class MatchFields(Parameters):
    """Which alerts are meant: every condition that is given must hold; of a list, one entry."""

    categories = Several(child=Word(Category.choices), required=False)
    leastLevel = Word(Level.choices, required=False, source="least_level")
    groups = References(live_backend_groups, required=False)
    tags = TagNames(child=Name(max_length=64), required=False)
    tokens = References(live_tokens, required=False)


TIMES = ("%H:%M", "%H:%M:%S")  # without an offset: the zone is a parameter of its own


class RuleFields(MatchFields):
    """What can be set of a rule."""

    enabled = serializers.BooleanField(required=False)
    groupWait = Whole(required=False, max_value=3600, source="group_wait_s")
    repeatEvery = Whole(required=False, allow_null=True, min_value=5, max_value=60 * 24 * 31, source="repeat_min")
    sendResolved = serializers.BooleanField(required=False, source="send_resolved")
    weekdays = Several(child=Word(Weekday.choices), required=False)
    fromTime = serializers.TimeField(required=False, allow_null=True, source="from_time", input_formats=TIMES)
    toTime = serializers.TimeField(required=False, allow_null=True, source="to_time", input_formats=TIMES)
    timeZone = Text(required=False, allow_blank=True, max_length=64, source="time_zone")


class NewRule(RuleFields):
    """A new rule."""

    name = Name(max_length=128)
    channels = References(live_channels)


class RuleChange(RuleFields):
    """A change of a rule."""

    id = Reference(live_rules, source="rule")
    name = Name(max_length=128, required=False)
    channels = References(live_channels, required=False)


class OneRule(Parameters):
    """The rule to delete."""

    id = Reference(live_rules, source="rule")


class About(Text):
    """A thing like backend/12."""

    def to_internal_value(self, data: Any) -> Subject:  # type: ignore[override]
        subject = parse_subject(super().to_internal_value(data))
        if subject is None:
            raise serializers.ValidationError(_("Enter a kind and a number, like backend/12."))
        return subject


class NewSilence(MatchFields):
    """A new silence."""

    about = About(required=False, max_length=64, source="subject")
    comment = Text()

    def get_fields(self) -> dict[str, Any]:
        """Add the parameters that are no names in Python."""
        times = {"from": At(required=False, source="starts_at"), "to": At(source="ends_at")}
        return {**super().get_fields(), **times}


class SilenceChange(Parameters):
    """A change of a silence."""

    id = Reference(silences, source="silence")
    comment = Text(required=False)

    def get_fields(self) -> dict[str, Any]:
        """Add the parameter that its field is not named like."""
        return {**super().get_fields(), "to": At(required=False, source="ends_at")}


class OneSilence(Parameters):
    """The silence to end."""

    id = Reference(silences, source="silence")


class RuleFilter(filters.FilterSet):
    """The parameters of the list of rules."""

    id = WholeFilter()
    name = TextFilter(lookup_expr="icontains")


class SilenceFilter(filters.FilterSet):
    """The parameters of the list of silences."""

    id = WholeFilter()
    state = WordFilter(choices=STATES, method="in_state")

    def in_state(self, rows: Any, _name: str, value: str) -> Any:
        """Keep the silences that last, are to come, or have ended."""
        now = db_now()
        if value == "ENDED":
            return rows.filter(ends_at__lte=now)
        if value == "PENDING":
            return rows.filter(starts_at__gt=now)
        return rows.filter(starts_at__lte=now, ends_at__gt=now)
