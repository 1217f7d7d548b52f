"""Alerts of before keep what they said, and their subjects become typed."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from alerts.models import Alert
from core.clock import db_now

BEFORE = [("alerts", "0005_open_choices")]


@pytest.mark.django_db(transaction=True)
def test_old_alerts_keep_their_texts() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(BEFORE)
    old = executor.loader.project_state(BEFORE).apps.get_model("alerts", "Alert")
    said = {"backend/12": "100 % lost", "token/7": "2025-03: „Rich“", "order/0-1": "late"}
    for subject, content in said.items():
        old.objects.create(category="GPU_ERROR", level="NOTICE", subject=subject, content=content, raised_at=db_now())
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes("alerts"))
    found = list(Alert.objects.order_by("pk"))
    assert [(str(one.subject), one.code, one.text) for one in found] == [
        ("backend/12", "LEGACY", "100 % lost"),
        ("token/7", "LEGACY", "2025-03: „Rich“"),
        (f"system/{found[2].pk}", "LEGACY", "late"),
    ]
    MigrationExecutor(connection).migrate(BEFORE)
    assert list(old.objects.order_by("pk").values_list("content", flat=True)) == list(said.values())
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
