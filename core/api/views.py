"""The view of a noun: GET, POST, PUT and DELETE of a collection's address are list, create, update and destroy."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.core.exceptions import SuspiciousOperation
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.defaults import bad_request as bad_page
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet, ViewSet

from core.api.parameters import Parameters, merged

COLLECTION: dict[str, Any] = {"get": "list", "post": "create", "put": "update", "delete": "destroy"}
Q = TypeVar("Q", bound=QuerySet[Any])
L = TypeVar("L", bound=QuerySet[Any] | list[Any])


def collection(*methods: str) -> dict[str, Any]:
    """Map some methods of a collection's address: `collection("get", "post")`."""
    return {method: COLLECTION[method] for method in methods}


def success(result: Mapping[str, Any] | None = None, status: int = 200) -> Response:
    """Return the envelope of a successful write."""
    return Response({"code": "SUCCESS", "result": result or {}}, status=status)


class WireView(ViewSet):
    """A view that reads its parameters from the query string and the body."""

    @property
    def asked(self) -> dict[str, Any]:
        """Return the parameters as they came."""
        return merged(self.request)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Forbid caches to store the response unless it says otherwise: many hold tokens (RFC 6749, 5.1)."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def given(self, shape: type[Parameters]) -> dict[str, Any]:
        """Read and check the parameters. Raises ValidationError, NotFound."""
        context = {"lenient": self.request.method == "GET", "view": self, "request": self.request}
        parameters = shape(data=self.asked, context=context)
        parameters.is_valid(raise_exception=True)
        return dict(parameters.validated_data)


class NounView(WireView, GenericViewSet[Any]):
    """Shared base of the views of nouns; rules live in the services that they call."""

    def page(self, rows: Q) -> Q:
        """Filter, order and cut a list as the caller asks."""
        filtered: Q = self.filter_queryset(rows)  # type: ignore[assignment]
        return self.cut(filtered)

    def cut(self, rows: L) -> L:
        """Cut a queryset or a list as the caller asks."""
        part: L = self.paginate_queryset(rows)  # type: ignore[assignment]
        return part

    def listed(self, items: list[dict[str, Any]]) -> Response:
        """Return the response for a list."""
        return self.get_paginated_response(items)


class NoSuchAddress(APIView):
    """The view of unknown addresses under /api/."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse every method alike."""
        raise NotFound


class BadRequest(NoSuchAddress):
    """The view of requests that are refused before any view, for example for their Host header."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse every method alike."""
        raise SuspiciousOperation


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Return the response to a request that cannot be read; Django's handler400."""
    if request.path.startswith("/api/"):
        return BadRequest.as_view()(request)
    return bad_page(request, exception)
