"""Parameters of a request: from the query string or the body (which wins), checked and named as on the wire."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db.models import Model, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from moreh_cloud.lib.errors import NotFound

HALF = re.compile(r"[\ud800-\udfff]")  # of a pair; no encoding can write it
MAX_ID = 2**63 - 1
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # all but tab and new line


def merged(request: Request) -> dict[str, Any]:
    """Give the parameters of a request by name. Raises ParseError, UnsupportedMediaType, RequestDataTooBig."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0):
        raise RequestDataTooBig
    body = request.data
    if not isinstance(body, Mapping):
        raise ValidationError({"body": [_("The body must be an object with parameters.")]})
    given = {**_plain(request.query_params), **_plain(body)}
    if any(HALF.search(text) for pair in given.items() for text in pair if isinstance(text, str)):
        raise ValidationError({"body": [_("A text holds half of a character.")]})
    return given


def _plain(given: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(given, QueryDict):
        return dict(given)
    return {name: values[0] if len(values) == 1 else values for name, values in given.lists()}


def missing(name: object, value: object) -> NotFound:
    """Say which parameter names something that is not there."""
    details: dict[str, Any] = {str(name): value}
    return NotFound(**details)


class Parameters(serializers.Serializer[Any]):
    """The parameters of one method of one address; what is not declared is a typo, except in GET."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields))
        if unknown and not self.context.get("lenient"):
            raise ValidationError({name: [_("There is no such parameter.")] for name in unknown})
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A text of at most 512 characters without control characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 512, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if CONTROL.search(text):
            raise ValidationError(_("Control characters are not allowed."))
        return text


class Name(Text):
    """The name of an object."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 128, **kwargs})


class Whole(serializers.IntegerField):
    """A whole number that a column can hold."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": 2**31 - 1, **kwargs})

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class Word(serializers.ChoiceField):
    """One of a closed list of words, in any case."""

    def to_internal_value(self, data: Any) -> Any:
        words = {str(choice).lower(): choice for choice in self.choices}
        return super().to_internal_value(words.get(str(data).lower(), data))


class Reference(Whole):
    """The id of an object, which it gives. Raises NotFound."""

    def __init__(self, rows: Callable[[], QuerySet[Any]], **kwargs: Any) -> None:
        self.rows = rows
        super().__init__(**{"max_value": MAX_ID, **kwargs})

    def run_validation(self, data: Any = serializers.empty) -> Any:
        number = super().run_validation(data)
        if not isinstance(number, int):
            return number
        found = self.rows().filter(pk=number).first()
        if found is None:
            raise missing(self.field_name, number)
        return found


class Several(serializers.ListField):
    """A list: as JSON, as a parameter given several times, or with commas."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, str):
            data = [part.strip() for part in data.split(",") if part.strip()]
        return super().to_internal_value(data if isinstance(data, list) else [data])


class References(Several):
    """Ids of objects, which it gives in their order. Raises NotFound."""

    def __init__(self, rows: Callable[[], QuerySet[Any]], **kwargs: Any) -> None:
        self.rows = rows
        super().__init__(**{"child": Whole(max_value=MAX_ID), "max_length": 20_000, **kwargs})

    def to_internal_value(self, data: Any) -> list[Model]:
        numbers = list(dict.fromkeys(super().to_internal_value(data)))
        found: dict[int, Model] = {row.pk: row for row in self.rows().filter(pk__in=numbers)}
        if unknown := [number for number in numbers if number not in found]:
            raise missing(self.field_name, unknown)
        return [found[number] for number in numbers]


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class Environment(serializers.DictField):
    """Names and texts, as an object or as the JSON of one."""

    child = Text(allow_blank=True, max_length=4096, trim_whitespace=False)

    def to_internal_value(self, data: Any) -> dict[Any, Any]:
        if isinstance(data, str):
            try:
                data = json.loads(data)
            except ValueError:
                self.fail("not_a_dict", input_type="str")
        return super().to_internal_value(data)
