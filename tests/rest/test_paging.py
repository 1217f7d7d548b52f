"""Pages of a list hold each of its rows once, whatever order is asked for."""

from typing import Any

import pytest
from django.urls import get_resolver
from rest_framework.test import APIClient

from core.api.filters import Ordering
from tests import make
from tests.api import V2, client
from tokens.models import Token

pytestmark = pytest.mark.django_db
ROWS, PAGE = 68, 7


@pytest.fixture
def api() -> APIClient:
    return client()


def paged(api: APIClient, path: str, ordering: str) -> list[str]:
    """Return the values of all pages of tokens."""
    found: list[str] = []
    for offset in range(0, ROWS, PAGE):
        answer = api.get(f"{V2}/{path}?ordering={ordering}&limit={PAGE}&offset={offset}")
        assert answer.headers["X-Total-Count"] == str(ROWS)
        found += [row["value"] for row in answer.json()]
    return found


@pytest.mark.parametrize("ordering", ["priority", "-priority", "description"])
def test_rows_that_are_equal_by_the_order_are_listed_once(api: APIClient, ordering: str) -> None:
    made = [make.token(priority=number % 2, description="alike") for number in range(ROWS)]
    for token in made[::3]:  # PostgreSQL moves rows that are written again
        Token.objects.filter(pk=token.pk).update(description="alike")
    found = paged(api, "token", ordering)
    assert sorted(found) == sorted(token.value for token in made)
    whole = api.get(f"{V2}/token", {"ordering": ordering}).json()
    assert found == [row["value"] for row in whole]


def views() -> list[Any]:
    """Return the views of every list that can be ordered."""
    found = dict.fromkeys(getattr(pattern.callback, "cls", None) for pattern in _patterns(get_resolver()))
    return [view for view in found if "ordering" in getattr(_filters(view), "base_filters", {})]


def _filters(view: Any) -> Any:
    return getattr(view, "filterset_class", None)


def _patterns(resolver: Any) -> list[Any]:
    return [
        leaf for one in resolver.url_patterns for leaf in (_patterns(one) if hasattr(one, "url_patterns") else [one])
    ]


def test_every_order_of_every_list_ends_with_the_id() -> None:
    assert len(views()) == 15
    for view in views():
        rows = view.queryset
        assert _last(rows) == "pk", view
        ordering = _filters(view).base_filters["ordering"]
        assert isinstance(ordering, Ordering), view
        for name, _label in ordering.extra["choices"]:
            assert _last(ordering.filter(rows, [name])) == "pk", (view, name)


def _last(rows: Any) -> str:
    """Name what decides last about the order of rows."""
    named = rows.query.order_by or rows.model._meta.ordering
    return {"id": "pk"}.get(str(named[-1]).lstrip("-"), str(named[-1]).lstrip("-"))
