"""The index that bounds the search of a text in the history."""

import pytest
from django.db import connection

from console.queries import history as reads
from tests import make
from tests.console.jobs_data import past_job

pytestmark = pytest.mark.django_db


@pytest.mark.only_postgresql
def test_the_bound_of_a_text_is_found_in_the_index_of_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    node = make.ready_backend(1)
    for minutes in range(30):
        past_job(node, minutes_ago=60 * minutes)
    monkeypatch.setattr(reads, "MOST_SEARCHED", 10)
    bounded, since = reads.bound_search(reads.EndedFilter(text="train"))
    assert since is not None
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "Index Cond: (ended_at >= " in reads.matching(bounded).explain()
