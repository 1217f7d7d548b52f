"""The view of a noun: GET, POST, PUT and DELETE of a collection's address are list, create, update and destroy."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet, ViewSet

from moreh_cloud.lib.api.parameters import Parameters, merged

COLLECTION: dict[str, Any] = {"get": "list", "post": "create", "put": "update", "delete": "destroy"}
Q = TypeVar("Q", bound=QuerySet[Any])
L = TypeVar("L", bound=QuerySet[Any] | list[Any])


def collection(*methods: str) -> dict[str, Any]:
    """Map some methods of a collection's address: `collection("get", "post")`."""
    return {method: COLLECTION[method] for method in methods}


def success(result: Mapping[str, Any] | None = None, status: int = 200) -> Response:
    """Answer a write."""
    return Response({"code": "SUCCESS", "result": result or {}}, status=status)


class WireView(ViewSet):
    """A view that reads its parameters from the query string and the body."""

    @property
    def asked(self) -> dict[str, Any]:
        """Give the parameters as they came."""
        return merged(self.request)

    def given(self, shape: type[Parameters]) -> dict[str, Any]:
        """Read and check the parameters. Raises ValidationError, NotFound."""
        context = {"lenient": self.request.method == "GET", "view": self, "request": self.request}
        parameters = shape(data=self.asked, context=context)
        parameters.is_valid(raise_exception=True)
        return dict(parameters.validated_data)


class NounView(WireView, GenericViewSet[Any]):
    """What the views of all nouns share; rules live in the services that they call."""

    def page(self, rows: Q) -> Q:
        """Filter, order and cut a list as the caller asks."""
        filtered: Q = self.filter_queryset(rows)  # type: ignore[assignment]
        return self.cut(filtered)

    def cut(self, rows: L) -> L:
        """Cut a queryset or a list as the caller asks."""
        part: L = self.paginate_queryset(rows)  # type: ignore[assignment]
        return part

    def listed(self, items: list[dict[str, Any]]) -> Response:
        """Answer a list."""
        return self.get_paginated_response(items)


class NoSuchAddress(APIView):
    """Answers what is under /api/ and is no address."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse every method alike."""
        raise NotFound
