"""Tests with real transactions end with the rows of a new installation, whatever they have done."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError
from django.test import TransactionTestCase

from core.frozen import thaw, unfrozen
from events.models import Event
from tests import make
from tests.admin_world import populate

pytestmark = pytest.mark.django_db(transaction=True)


def rows() -> dict[str, list[dict[str, Any]]]:
    return {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in apps.get_models()}


def end_the_test() -> None:
    TransactionTestCase("run")._fixture_teardown()  # type: ignore[attr-defined]


def test_rows_of_every_noun_go_and_the_first_ones_come_back() -> None:
    before = rows()
    populate()
    apps.get_model("backends.BackendGroup").objects.filter(pk=0).update(name="changed")
    assert Event.objects.exists()
    end_the_test()
    assert rows() == before
    assert unfrozen() == []


def test_triggers_that_were_dropped_come_back() -> None:
    thaw()
    end_the_test()
    assert unfrozen() == []


def test_content_types_and_permissions_that_were_deleted_come_back() -> None:
    before = rows()
    ContentType.objects.get(app_label="tokens", model="token").delete()
    end_the_test()
    assert rows() == before


def test_a_statement_that_fails_leaves_the_check_of_transitions_on() -> None:
    with pytest.raises(DatabaseError):
        make.sql("SELECT nothing FROM nowhere")
    job = make.job()
    with pytest.raises(DatabaseError, match="no such transition"):
        type(job).objects.filter(pk=job.pk).update(status="RUNNING")
