"""Parameters of a request: from the query string or the body (which wins), checked and named as on the wire."""

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

from core.errors import NotFound
from core.numbers import MAX_ID, is_plain, whole
from core.strict_json import read_json
from core.texts import LONGEST, has_half, problem_of, unwritable

MOST_ITEMS = 20_000  # in a list


def merged(request: Request) -> dict[str, Any]:
    """Return the parameters of a request by name. Raises ParseError, UnsupportedMediaType, RequestDataTooBig."""
    if (whole(request.META.get("CONTENT_LENGTH")) or 0) > (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0):
        raise RequestDataTooBig
    body = request.data
    if not isinstance(body, Mapping):
        raise ValidationError({"body": [_("The body must be an object with parameters.")]})
    given = {**_plain(request.query_params), **_plain(body)}
    problems = {name: wrong for name, value in sorted(given.items()) if (wrong := unwritable([name, value]))}
    if problems:
        raise ValidationError({"body" if has_half(name) else name: [str(wrong)] for name, wrong in problems.items()})
    return given


def _plain(given: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(given, QueryDict):
        return dict(given)
    return {name: values[0] if len(values) == 1 else values for name, values in given.lists()}


def missing(name: object, value: object) -> NotFound:
    """Return the error that a parameter names an object that does not exist."""
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
    """A text of at most 512 characters that keeps the rule of texts; one line, unless `lines` allows more."""

    def __init__(self, *, lines: bool = False, **kwargs: Any) -> None:
        self.lines = lines
        super().__init__(**{"max_length": LONGEST, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if problem := problem_of(text, None, lines=self.lines):
            raise ValidationError(str(problem))
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
        if isinstance(data, bool) or not is_plain(data):
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
        given = data if isinstance(data, list) else [data]
        if len(given) > MOST_ITEMS:  # SQLite takes no statement of more than 250,000 values
            self.fail("max_length", max_length=MOST_ITEMS)
        return super().to_internal_value(given)


class References(Several):
    """Ids of objects, which it gives in their order. Raises NotFound."""

    def __init__(self, rows: Callable[[], QuerySet[Any]], **kwargs: Any) -> None:
        self.rows = rows
        super().__init__(**{"child": Whole(max_value=MAX_ID), "max_length": MOST_ITEMS, **kwargs})

    def to_internal_value(self, data: Any) -> list[Model]:
        numbers = list(dict.fromkeys(super().to_internal_value(data)))
        found: dict[int, Model] = {row.pk: row for row in self.rows().filter(pk__in=numbers)}
        if unknown := [number for number in numbers if number not in found]:
            raise missing(self.field_name, unknown)
        return [found[number] for number in numbers]


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class Environment(serializers.DictField):
    """Names and texts, as an object or as the JSON of one."""

    child = Text(allow_blank=True, max_length=4096, trim_whitespace=False, lines=True)

    def to_internal_value(self, data: Any) -> dict[Any, Any]:
        if isinstance(data, str):
            try:
                data = read_json(data)
            except (ValueError, RecursionError):
                self.fail("not_a_dict", input_type="str")
            if problem := unwritable(data):  # as of a body
                raise ValidationError(str(problem))
        return super().to_internal_value(data)
