"""OpenAPI description of operations: the envelope, the failures, parameters in query and body."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, PolymorphicProxySerializer, extend_schema, inline_serializer
from rest_framework import serializers

from core.api.failures import STATUS
from core.api.parameters import Parameters

V = TypeVar("V", bound=Callable[..., Any])
FAILURE_CODES = sorted(STATUS)
Shape = type[serializers.Serializer[Any]]


class Failure(serializers.Serializer[Any]):
    """A failure: a code of a closed list, a message for people, and the parameters that it is about."""

    code = serializers.ChoiceField(FAILURE_CODES)
    message = serializers.CharField()
    details = serializers.DictField()


def failures(*statuses: int) -> dict[int, OpenApiResponse]:
    """Describe failures by their statuses, each with its codes."""
    codes = {status: [code for code, known in STATUS.items() if known == status] for status in statuses}
    return {status: OpenApiResponse(Failure, ", ".join(names)) for status, names in codes.items()}


@cache
def envelope(shape: Shape | None) -> serializers.Serializer[Any]:
    """Describe the answer to a write."""
    result = shape() if shape else serializers.DictField()
    name = f"{shape.__name__.removesuffix('Serializer')}Success" if shape else "Success"
    return inline_serializer(name, {"code": serializers.ChoiceField(["SUCCESS"]), "result": result})


def envelope_of_one(name: str, *shapes: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Describe the answer to a write whose result has one of some shapes."""
    result = PolymorphicProxySerializer(f"{name}Result", list(shapes), resource_type_field_name=None)
    return inline_serializer(name, {"code": serializers.ChoiceField(["SUCCESS"]), "result": result})


def reads(
    shape: Shape,
    parameters: type[Parameters] | None = None,
    *,
    many: bool = True,
    listed: Shape | None = None,
    refuses: tuple[int, ...] = (),
    as_text: bool = False,
) -> Callable[[V], V]:
    """Describe a GET: a list of this shape (or one, unless `many`, with a list of the shape `listed` in it).

    `refuses` are statuses beyond those of every GET; `as_text`: some parameters have it answer with plain text.
    """
    done: dict[Any, Any] = {(200, "application/json"): shape(many=many)}
    if as_text:
        done[200, "text/plain"] = OpenApiTypes.STR
    described = extend_schema(
        parameters=[parameters] if parameters else [],
        responses={**done, **failures(*sorted({400, 401, 403, 503, *refuses}))},
    )

    def describe(method: V) -> V:
        made: V = described(method)
        made.listed = listed or shape  # type: ignore[attr-defined]  # the columns of the list as a file
        return made

    return describe


def writes(parameters: type[Parameters], result: Shape | None = None, **more: Any) -> Callable[[V], V]:
    """Describe a write, whose parameters may stand in the body or in the query string."""
    responses = {200: envelope(result), **failures(400, 401, 403, 404, 409, 413, 415, 503), **more.pop("responses", {})}

    def describe(method: V) -> V:
        # OpenAPI 3.0 gives bodies of DELETE no meaning, so there they are described in the query string.
        deletes = method.__name__ == "destroy"
        fields = [parameters] if parameters._declared_fields else []
        where: dict[str, Any] = {"parameters": fields} if deletes else {"request": parameters if fields else None}
        described: V = extend_schema(**where, responses=responses, **more)(method)
        return described

    return describe
