"""The migration encrypts stored environments, which read the same afterwards."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import F, TextField
from django.db.models.functions import Cast

from tokens.models import Token


@pytest.mark.django_db(transaction=True)
def test_environments_are_encrypted_and_come_back_in_clear_on_the_way_back() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate([("tokens", "0003_stopped")])
    state = MigrationExecutor(connection).loader.project_state([("tokens", "0003_stopped")])
    before = state.apps.get_model("tokens", "Token")
    for number, env in enumerate(({"KEY": "s3cret"}, {})):
        before._base_manager.create(value=str(number), value_digest=str(number), description="x", env=env)

    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes("tokens"))
    rows = Token.objects.order_by("pk")
    assert [token.env for token in rows] == [{"KEY": "s3cret"}, {}]
    first, second = rows.annotate(cipher=Cast(F("env"), TextField())).values_list("cipher", flat=True)
    assert (first[:5], second) == ("gAAAA", "")

    MigrationExecutor(connection).migrate([("tokens", "0003_stopped")])
    assert [token.env for token in before._base_manager.order_by("pk")] == [{"KEY": "s3cret"}, {}]
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
