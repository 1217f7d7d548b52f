"""An alert that a silence holds says so: on its page, in its list, over REST."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.choices import Role
from alerts.choices import Level
from alerts.codes import Code
from alerts.models import Alert
from alerts.queries import alerts_with
from alerts.services import raise_alert
from alerts.subjects import customer, node
from backends.services.groups import create_backend_group
from core.api.times import iso
from core.clock import db_now
from inventory.services import create_tag
from notifications.models import Silence
from notifications.queries import load_silences, silence_of, silenced
from notifications.services import create_silence, end_silence
from tests import make
from tests.admin_world import client_of
from tests.api import V2, client, refused
from tests.make import ACTOR
from tests.notifications.world import find, lose

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
HOUR = timedelta(hours=1)


def silence(hours: int = 1, **fields: Any) -> Silence:
    return create_silence(ends_at=db_now() + hours * HOUR, comment="cables", actor=ACTOR, **fields)


def test_pages_and_rest_name_the_silence_that_holds_an_alert_the_longest(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    first, other, over = (make.backend(1, name=f"node-0{number}") for number in range(3))
    held, free, cleared = (lose(one) for one in (first, other, over))
    silence(1, subject=node(first.pk))
    longest = silence(3, subject=node(first.pk))
    silence(2, subject=node(first.pk))
    silence(1, subject=node(over.pk))
    find(over)
    api, browser = client(), client_of(Role.READ_ONLY)

    def listed(**asked: str) -> list[int]:
        return [one["id"] for one in api.get(f"{V2}/alert", asked).json()]

    assert {one["id"]: one["silence"] for one in api.get(f"{V2}/alert").json()} == {
        held.pk: {"id": longest.pk, "to": iso(longest.ends_at), "createdBy": ACTOR.name, "comment": "cables"},
        free.pk: None,
        cleared.pk: None,
    }
    assert (listed(silenced="true"), listed(silenced="false")) == ([held.pk], [cleared.pk, free.pk])
    assert refused(api.get(f"{V2}/alert", {"silenced": "maybe"})) == (400, "INVALID_PARAMETER", ["silenced"])
    address, text = reverse("admin:notifications_silence_change", args=[longest.pk]), f"silenced (#{longest.pk}) until "
    for page in (reverse("admin:alerts_alert_changelist"), reverse("admin:alerts_alert_change", args=[held.pk])):
        shown = browser.get(page).content.decode()
        assert re.findall(rf'<a [^>]*href="{address}">({re.escape(text)}[-0-9: ]+ by {ACTOR.name})</a>', shown), page
        assert shown.count("silenced (#") == 1
    assert "silenced (#" not in browser.get(reverse("admin:alerts_alert_change", args=[free.pk])).content.decode()
    found = browser.get(reverse("admin:alerts_alert_changelist"), {"state": "silenced"})
    assert [one.pk for one in found.context["cl"].result_list] == [held.pk]
    for _number in range(4):
        lose(make.backend(1))
    with django_assert_max_num_queries(12):
        assert len(api.get(f"{V2}/alert").json()) == 7
    end_silence(longest, actor=ACTOR)
    assert [one.comment for one in load_silences(db_now()) if one.pk == longest.pk] == []


MEANT: dict[str, Callable[..., dict[str, Any]]] = {
    "a category": lambda **_: {"categories": ["NODE_LOST"]},
    "a category and a level": lambda **_: {"categories": ["NODE_LOST"], "least_level": Level.CRITICAL},
    "a group": lambda group, **_: {"groups": [group]},
    "a tag": lambda tag, **_: {"tags": [tag]},
    "a token": lambda token, **_: {"tokens": [token]},
    "a node": lambda backend, **_: {"subject": node(backend.pk)},
    "a tag in another group": lambda tag, other, **_: {"tags": [tag], "groups": [other]},
}


@pytest.mark.parametrize("case", MEANT)
def test_the_filter_finds_what_a_silence_holds(case: str) -> None:
    group, other = (create_backend_group(name=name, actor=ACTOR) for name in ("far", "near"))
    tag, token = create_tag(name="gpu", actor=ACTOR), make.token()
    tagged, far, plain = make.backend(1), make.backend(1, group=group), make.backend(1)
    tagged.tags.add(tag)
    lose(tagged, Level.WARNING)
    lose(far)
    raise_alert(Code.CHECK_FAILED, node(plain.pk), node="-", error="-")
    raise_alert(Code.JOBS_FAIL, customer(token.pk), customer="-", failed=5)
    raise_alert(Code.JOBS_FAIL, customer(make.token().pk), customer="-", failed=5)
    silence(**MEANT[case](group=group, other=other, tag=tag, token=token, backend=plain))
    ids = list(Alert.objects.order_by("pk").values_list("pk", flat=True))
    now = db_now()
    active = load_silences(now)
    held = [known.alert.pk for known in alerts_with(ids) if silence_of(known, active)]
    assert list(Alert.objects.filter(silenced(now)).order_by("pk").values_list("pk", flat=True)) == held
    assert len(held) == {"a category": 2, "a tag in another group": 0}.get(case, 1)
