"""Whoever was logged in before an upgrade stays so: sessions name the class that let their operator in by its path."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Operator
from tests import make

BEFORE = [("accounts", "0004_second_factor")]
PASSWORD, PROVIDER = "moreh_cloud.accounts.login.OperatorBackend", "moreh_cloud.accounts.oidc.OidcBackend"
NOW_AT = {PASSWORD: "accounts.login.backends.OperatorBackend", PROVIDER: "accounts.login.oidc.OidcBackend"}


def session(operator: Operator, path: str) -> SessionStore:
    store = SessionStore()
    store[SESSION_KEY] = str(operator.pk)
    store[BACKEND_SESSION_KEY] = path
    store[HASH_SESSION_KEY] = operator.get_session_auth_hash()
    store["seen"] = "in Korean: 서울"
    store.save()
    return store


def who_is(stored: SessionStore) -> Any:
    """Return who comes in with a session, read anew."""
    request = HttpRequest()
    request.session = SessionStore(stored.session_key)
    return get_user(request)


def migrate_to_now() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


@pytest.mark.django_db(transaction=True)
def test_sessions_of_the_version_before_stay_logged_in_and_go_back_with_it() -> None:
    MigrationExecutor(connection).migrate(BEFORE)
    operator = make.operator()
    ours, theirs = (session(operator, path) for path in (PASSWORD, PROVIDER))
    nobodys = SessionStore()
    nobodys.save()
    broken = Session.objects.create(session_key="broken", session_data="?", expire_date=timezone.now() + timedelta(1))
    assert not who_is(ours).is_authenticated

    migrate_to_now()
    assert who_is(ours) == operator
    for store, path in ((ours, PASSWORD), (theirs, PROVIDER)):
        data = SessionStore(store.session_key).load()
        assert (data[BACKEND_SESSION_KEY], data["seen"]) == (NOW_AT[path], "in Korean: 서울")
    assert SessionStore(nobodys.session_key).load() == {}
    assert Session.objects.get(pk=broken.pk).session_data == "?"

    MigrationExecutor(connection).migrate(BEFORE)
    assert SessionStore(ours.session_key).load()[BACKEND_SESSION_KEY] == PASSWORD
    migrate_to_now()


def test_the_paths_are_those_of_the_settings() -> None:
    assert NOW_AT[PASSWORD] in settings.AUTHENTICATION_BACKENDS
