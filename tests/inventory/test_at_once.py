"""Tags that are created, put on nodes and deleted at the same time: nobody gets an error, and no tag is made twice."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from django.db import connection

from backends.services.inventory import add_tag
from inventory.models import Tag
from inventory.services import delete_tag
from tests import make
from tests.api import events

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 12


def _at_once(calls: Sequence[Callable[[], object]]) -> None:
    """Run calls in threads of their own that begin together; raise what one of them raises."""
    begin = Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        try:
            connection.ensure_connection()
            begin.wait(30)
            call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as threads:
        list(threads.map(run, calls))


def test_two_nodes_get_the_same_new_tag_at_once() -> None:
    nodes = make.backend(1), make.backend(1)
    names = [f"t{number:02}" for number in range(ROUNDS)]
    for name in names:
        _at_once([partial(add_tag, node, name, actor=make.ACTOR) for node in nodes])
    assert [[tag.name for tag in node.tags.all()] for node in nodes] == [names, names]
    assert [told["name"] for _subject, told in events("CREATE_TAG")] == names


def test_a_tag_is_deleted_while_a_node_gets_it() -> None:
    node = make.backend(1)
    for _round in range(ROUNDS):
        tag = Tag.objects.create(name="hot", key="hot")
        _at_once([partial(add_tag, node, "hot", actor=make.ACTOR), partial(delete_tag, tag, actor=make.ACTOR)])
        left = list(node.tags.values_list("name", flat=True))
        assert left == list(Tag.objects.values_list("name", flat=True))
        Tag.objects.all().delete()
