"""History in the API: the order, the pages and the filters of jobs that are over."""

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.choices import Role
from core.clock import db_now
from scheduler.models import Job
from scheduler.services.jobs import finish_job
from tests import make
from tests.api import V2, client, done, refused

pytestmark = pytest.mark.django_db
QUEUE, HISTORY = f"{V2}/scheduler/queue", f"{V2}/scheduler/history"


def ended(**fields: Any) -> Job:
    """Make a job that is over."""
    job = make.job(**fields)
    finish_job(job, exit_code=0, actor=make.ACTOR)
    return job


def test_history_has_the_newest_end_first_and_pages_by_the_last_id(api: APIClient) -> None:
    jobs = [ended() for _ in range(5)]
    same = db_now()
    Job.objects.filter(pk__in=[jobs[1].pk, jobs[2].pk]).update(ended_at=same - timedelta(hours=1))
    Job.objects.filter(pk=jobs[0].pk).update(ended_at=same + timedelta(hours=1))
    order = [jobs[i].pk for i in (0, 4, 3, 2, 1)]
    answer = api.get(HISTORY)
    assert ([row["id"] for row in answer.json()["jobs"]], answer.json()["totalCount"]) == (order, 5)
    ids: list[int] = []
    while page := api.get(HISTORY, {"limit": 2, **({"after": ids[-1]} if ids else {})}).json()["jobs"]:
        ids += [row["id"] for row in page]
    assert ids == order
    piece = api.get(HISTORY, {"offset": 1, "limit": 2})
    assert ([row["id"] for row in piece.json()["jobs"]], piece["X-Total-Count"]) == (order[1:3], "5")
    assert api.get(HISTORY, {"after": 999_999}).json() == {"jobs": [], "totalCount": 5}


HISTORY_FILTERS = {
    "a status": ({"status": "completed"}, 1),
    "several statuses": ({"status": "Completed,canceled"}, 2),
    "a part of the description": ({"token": "cme i"}, 1),
    "a time in UTC": ({"endtimeFrom": "2020-01-01T00:00:00.000Z"}, 2),
    "a time of the installation": ({"endtimeTo": "2020-01-01 00:00"}, 0),
    "a time with milliseconds": ({"endtimeTo": "2020-01-01 00:00:00.123"}, 0),
    "a start that never was": ({"starttimeFrom": "2020-01-01 00:00:00"}, 0),
}


@pytest.mark.parametrize("case", HISTORY_FILTERS)
def test_history_is_filtered_by(api: APIClient, case: str) -> None:
    ended(accelerator=make.sda(description="Acme Inc."))
    done(api.delete(QUEUE, {"id": make.job().pk}))
    requested, expected = HISTORY_FILTERS[case]
    assert api.get(HISTORY, requested).json()["totalCount"] == expected


def test_a_part_of_a_value_finds_jobs_only_for_those_who_see_values(api: APIClient) -> None:
    piece = ended().token.value[5:20]
    ended()
    assert api.get(HISTORY, {"token": piece}).json()["totalCount"] == 1
    assert client(Role.READ_ONLY).get(HISTORY, {"token": piece}).json()["totalCount"] == 0


BAD_HISTORY: dict[str, tuple[dict[str, str | list[str]], list[str]]] = {
    "a day that does not exist": ({"endtimeTo": "2020-02-30 00:00"}, ["endtimeTo"]),
    "the end of time": ({"endtimeTo": "9999-12-31T23:59:59-12:00"}, ["endtimeTo"]),
    "a time given twice": ({"endtimeTo": ["2020-01-01 00:00", "2020-01-02 00:00"]}, ["endtimeTo"]),
    "a live status": ({"status": "running"}, ["status"]),
    "a negative offset": ({"offset": "-1"}, ["offset"]),
    "a last id in words": ({"after": "x"}, ["after"]),
}


@pytest.mark.parametrize("case", BAD_HISTORY)
def test_history_refuses(api: APIClient, case: str) -> None:
    requested, named = BAD_HISTORY[case]
    assert refused(api.get(HISTORY, requested)) == (400, "INVALID_PARAMETER", named)


@pytest.mark.parametrize("rows", [5, 50])
def test_lists_cost_the_same_number_of_queries(api: APIClient, rows: int, django_assert_num_queries: Any) -> None:
    for _ in range(rows):
        make.job()
        ended()
    with django_assert_num_queries(9):  # session, operator, stamps, jobs, current SDAs, tokens, links, workers, places
        assert len(api.get(QUEUE).json()) == rows
    with django_assert_num_queries(9):  # and here the number of jobs instead of places
        assert len(api.get(HISTORY).json()["jobs"]) == rows
