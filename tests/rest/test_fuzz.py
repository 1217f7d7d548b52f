"""No case of schemathesis gets a 5xx, an undocumented status or a body against its schema."""

import os

import pytest

from accounts.choices import Role
from tests import make
from tests.rest.fuzz import every_edge, furnish, random_round, random_sequences

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.django_db(transaction=True),
    # Of the WSGI client, which puts large bodies into files.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
ROUND = 500  # random cases, about
NIGHT = int(os.environ.get("MOREH_TEST_FUZZ_CASES", "0"))  # `make fuzz` asks for 50,000
WITHIN = None if NIGHT else 8  # seconds; two run at once
LEAST = 0  # a busy machine gets through one case in that time
# The nouns, in parts of about the same number of cases.
NOUNS = {
    "nodes": {"auth", "backend", "check"},
    "customers": {"token", "usage", "log", "inventory"},
    "messages": {"alert", "outbox"},
    "accelerators": {"sda", "sdamodel", "membership", "scheduler"},
}


@pytest.mark.only_postgresql  # it refuses more than SQLite does
@pytest.mark.parametrize("part", NOUNS)
def test_every_edge_of_every_parameter(part: str) -> None:
    furnish()
    found = every_edge(make.operator(Role.MASTER), NOUNS[part], within=WITHIN)
    assert found.wrong == []
    assert found.cases["coverage"] > (1_000 if NIGHT else LEAST)
    if NIGHT:  # some seconds reach refusals only
        assert {200, 400} <= set(found.statuses)


@pytest.mark.parametrize("seed", range(max(1, NIGHT // ROUND)))
def test_random_cases(seed: int) -> None:
    furnish()
    found = random_round(make.operator(Role.MASTER), seed=seed, examples=10, within=WITHIN)
    assert found.wrong == []
    assert found.cases["fuzzing"] > LEAST


@pytest.mark.only_sqlite  # what links lead to is the same on both
@pytest.mark.parametrize("seed", range(max(1, NIGHT // ROUND)))
def test_what_is_made_is_used_and_deleted_along_the_links(seed: int) -> None:
    furnish()
    found = random_sequences(make.operator(Role.MASTER), seed=seed, examples=100, within=WITHIN)
    assert found.wrong == []
    assert found.links.total() > 5
    assert len(found.links) > (20 if NIGHT else 2)
