"""Tests with real transactions empty the tables; what migrations made is there again for the next test."""

import pytest

from backends.models import BackendGroup


@pytest.mark.parametrize("turn", ["first", "second"])
@pytest.mark.django_db(transaction=True)
def test_a_test_with_real_transactions_finds_the_default_group(turn: str) -> None:
    assert list(BackendGroup.objects.values_list("pk", flat=True)) == [0]


@pytest.mark.parametrize("turn", ["first", "second"])
@pytest.mark.django_db
def test_an_ordinary_test_finds_the_default_group(turn: str) -> None:
    assert list(BackendGroup.objects.values_list("pk", flat=True)) == [0]
