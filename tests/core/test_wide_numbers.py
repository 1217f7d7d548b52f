"""A number of more than 64 bits is in no column: a query finds no row by it, and all others as ever.

One that its column cannot hold on PostgreSQL is stored on no database.
"""

from typing import Any

import pytest

from backends.models import Backend, BackendGroup, Device
from backends.services.groups import update_backend_group
from core.errors import InvalidParameter
from scheduler.models import Queue
from tests import make

pytestmark = pytest.mark.django_db
WIDE = 10**25


def test_a_wide_number_finds_nothing() -> None:
    node = make.backend(2)
    wide = [WIDE, -WIDE, 2**63]
    assert list(Backend.objects.filter(pk__in=[*wide, node.pk])) == [node]
    assert list(Backend.objects.filter(pk__in=wide)) == []
    assert list(Backend.objects.filter(group__in=[*wide, node.group_id])) == [node]
    assert Device.objects.filter(backend__in=[*wide, node.pk]).count() == 2
    for number in wide:
        assert list(Backend.objects.filter(pk=number)) == []
        assert list(Backend.objects.filter(group=number)) == []
        assert list(Queue.objects.filter(pk=number)) == []
        assert list(Backend.objects.exclude(group=number)) == [node]


def test_what_is_no_list_of_numbers_is_compared_as_ever() -> None:
    node = make.backend(2)
    assert list(Backend.objects.filter(pk__in=Device.objects.values("backend"))) == [node]
    assert Device.objects.filter(backend__in=Backend.objects.filter(group=node.group)).count() == 2
    assert Device.objects.filter(backend__in=[node]).count() == 2
    assert list(Backend.objects.filter(group=node.group, name__in=[node.name])) == [node]
    assert list(Backend.objects.filter(pk__in=[])) == []


@pytest.mark.parametrize(
    ("column", "number", "most"),
    [
        ("check_every_h", 8761, 8760),
        ("check_every_h", 10**12, 32767),
        ("power_on_s", 10**15, 2147483647),
        ("power_on_nodes", 2**31, 2147483647),
        ("guard_s", 2**31, 2147483647),
        ("repair_percent", 101, 100),
    ],
)
def test_a_number_that_its_column_cannot_hold_is_refused_on_every_database(column: str, number: int, most: int) -> None:
    before, given = getattr(make.default_group(), column), dict[str, Any]({column: number})
    with pytest.raises(InvalidParameter) as wrong:
        update_backend_group(make.default_group(), actor=make.ACTOR, **given)
    assert wrong.value.details == {column: [f"Ensure this value is less than or equal to {most}."]}
    assert getattr(BackendGroup.objects.get(), column) == before
