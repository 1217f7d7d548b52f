"""Fixtures of the tests of bulk work."""

import pytest
from django.test import Client


@pytest.fixture
def browser() -> Client:
    # pytest loads this file before Django is set up
    from accounts.choices import Role
    from tests.admin_world import client_of

    return client_of(Role.GENERAL)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a turn be long enough for every item, however slow the machine is."""
    from bulk import work

    monkeypatch.setattr(work, "RUN_S", 600.0)
