"""JSON columns: what is stored in another shape is logged and read as the default; no row is no such value."""

import json
from typing import Any

import pytest
from django.db.models import JSONField, Value
from structlog.testing import capture_logs

from backends.models import BackendGroup
from backends.services.groups import create_backend_group
from scheduler.models import Queue
from tests import make

pytestmark = pytest.mark.django_db
HEADS = BackendGroup.objects.values_list("queue__heads", flat=True)


def test_no_row_of_an_outer_join_is_no_value_of_another_shape() -> None:
    group = create_backend_group(name="one", actor=make.ACTOR)
    Queue.objects.filter(pk=group.pk).delete()
    with capture_logs() as logs:
        assert HEADS.get(pk=group.pk) is None
        assert BackendGroup.objects.select_related("queue").get(pk=group.pk) == group
    assert logs == []


@pytest.mark.parametrize("stored", [None, [1], "text", {"1": -1}], ids=json.dumps)
def test_a_stored_value_of_another_shape_is_logged_and_read_as_the_default(stored: Any) -> None:
    group = create_backend_group(name="one", actor=make.ACTOR)
    Queue.objects.get_or_create(pk=group.pk)
    Queue.objects.filter(pk=group.pk).update(heads=Value(stored, JSONField()))
    with capture_logs() as logs:
        assert HEADS.get(pk=group.pk) == {}
    event = {"event": "json_of_another_shape", "log_level": "warning"}
    assert logs == [{**event, "table": "scheduler_queue", "column": "heads"}]
