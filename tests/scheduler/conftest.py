"""Fixtures of the tests of the scheduler."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # pytest loads this file before Django is set up
    from rest_framework.test import APIClient


@pytest.fixture
def api() -> "APIClient":
    from tests.api import client

    return client()
