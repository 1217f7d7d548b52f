"""Fixtures of the tests of the what-if page."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client


@pytest.fixture
def browser() -> Client:
    """Return a browser of a General operator."""
    # Named on the command line, a folder's conftest is read before there are settings.
    from accounts.choices import Role
    from tests.admin_world import client_of

    return client_of(Role.GENERAL)


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()
