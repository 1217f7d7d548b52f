"""Alerts: one open row per category and subject, and what others are told of its changes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from alerts.choices import Category, Level, SubjectKind
from alerts.codes import TEMPLATES, Code, category_of
from alerts.models import OPEN, Alert
from alerts.params import render, to_params
from alerts.queries import alerts_with
from alerts.services import (
    NewAlert,
    acknowledge_alert,
    clear_alert,
    clear_alerts,
    clear_alerts_about,
    clear_seen_alerts,
    raise_alert,
    raise_alerts,
)
from alerts.subjects import SYSTEM, Subject, customer, named, node, node_group, page_of, parse_subject
from backends.choices import ShutdownReason
from backends.services.groups import create_backend_group
from backends.services.nodes import update_backend
from core.stored_text import StoredText
from tests import make
from tests.alerts.heard import AlertChanges, heard

pytestmark = pytest.mark.django_db
NOTICE, WARNING, CRITICAL = Level.NOTICE, Level.WARNING, Level.CRITICAL


@pytest.fixture
def told() -> Iterator[AlertChanges]:
    with heard() as found:
        yield found


def rows() -> list[tuple[str, str, str, int, bool]]:
    found = Alert.objects.order_by("pk")
    return [(a.code, str(a.subject), a.level, a.times, a.cleared_at is None) for a in found]


def test_a_repetition_counts_says_what_is_true_now_and_is_no_change(told: AlertChanges) -> None:
    raise_alert(Code.CHECK_FAILED, node(7), level=NOTICE, node="gpu-7", error="one")
    first = Alert.objects.get()
    raise_alert(
        Code.DEVICES_OUT, node(7), level=NOTICE, node="gpu-7", devices=[1, 3], reason=ShutdownReason.NOT_CLEANED
    )
    raise_alert(Code.CHECK_FAILED, node(8), node="gpu-8", error="two")
    assert rows() == [
        ("DEVICES_OUT", "backend/7", "NOTICE", 2, True),
        ("CHECK_FAILED", "backend/8", "WARNING", 1, True),
    ]
    second = Alert.objects.get(subject_id=8)
    assert told == [(first.pk, "RAISED"), (second.pk, "RAISED")]
    del told[:]
    for level in (WARNING, WARNING, NOTICE, CRITICAL):  # up, the same, down, up
        raise_alert(Code.CHECK_FAILED, node(7), level=level, node="gpu-7", error="-")
    assert told == [(first.pk, "ESCALATED"), (first.pk, "ESCALATED")]
    assert rows()[0] == ("CHECK_FAILED", "backend/7", "CRITICAL", 6, True)


def test_what_is_cleared_is_told_once_and_a_new_cause_opens_a_new_row(told: AlertChanges) -> None:
    raise_alert(Code.NODE_LOST, node(7), node="gpu-7")
    raise_alert(Code.NODE_LOST, node(8), node="gpu-8")
    raise_alert(Code.BMC_UNREACHABLE, node(7), bmc="10.0.0.7", error="BMC_TIMEOUT")
    first, other, bmc = Alert.objects.order_by("pk")
    del told[:]
    clear_alert(Category.NODE_LOST, node(7))
    clear_alerts(Category.NODE_LOST, [node(7), node(9), node_group(8)])
    clear_alerts(Category.NODE_LOST, [])
    assert told == [(first.pk, "CLEARED")]
    raise_alert(Code.NODE_LOST, node(7), node="gpu-7")
    again = Alert.objects.order_by("-pk")[0]
    del told[:]
    clear_alerts_about(node(7))
    assert told == [(bmc.pk, "CLEARED"), (again.pk, "CLEARED")]
    assert [alert.pk for alert in Alert.objects.filter(OPEN)] == [other.pk]


def test_seen_alerts_are_cleared_but_those_whose_cause_is_still_there(told: AlertChanges) -> None:
    for number in (1, 2, 3):
        raise_alert(Code.REPAIRED, node(number), subject=f"backend/{number}", problem="wrong")
    one, two, _three = Alert.objects.order_by("pk")
    acknowledge_alert(one, actor=make.ACTOR), acknowledge_alert(two, actor=make.ACTOR)
    del told[:]
    clear_seen_alerts(Category.INCONSISTENCY, but={node(2)})
    assert told == [(one.pk, "CLEARED")]
    clear_seen_alerts(Category.INCONSISTENCY, but=())
    assert told == [(one.pk, "CLEARED"), (two.pk, "CLEARED")]


def test_many_alerts_take_as_many_queries_as_one(told: AlertChanges) -> None:
    def queries(act: Callable[[], None]) -> int:
        with CaptureQueriesContext(connection) as seen:
            act()
        return len(seen)

    many = [NewAlert(Code.NODE_LOST, node(number), {"node": f"gpu-{number}"}) for number in range(30)]
    mixed = [NewAlert(Code.REPAIR_BREAKER, node_group(number), {"group": "pool"}) for number in range(30)]
    assert queries(lambda: raise_alerts(many[:1])) == queries(lambda: raise_alerts([*many, *mixed])) <= 10
    assert len(told) == 60
    assert queries(lambda: raise_alerts([])) == 0
    subjects = [alert.subject for alert in many]
    few, more = subjects[:1], subjects[1:]
    closing = queries(lambda: clear_alerts(Category.NODE_LOST, few))
    assert queries(lambda: clear_alerts(Category.NODE_LOST, more)) == closing
    assert queries(lambda: clear_alerts(Category.NODE_LOST, subjects)) == 3
    assert len(told) == 90


def test_a_text_is_rendered_in_the_language_of_its_reader() -> None:
    params = to_params({"node": "gpu-1", "devices": [0, 3], "reason": ShutdownReason.NOT_CLEANED})
    assert params == {"node": "gpu-1", "devices": [0, 3], "reason": {"text": str(ShutdownReason.NOT_CLEANED.label)}}
    assert (
        render("DEVICES_OUT", params)
        == "gpu-1: devices [0, 3] are out of service (its agent did not clean it in time)."
    )
    with translation.override("ko"):
        assert (
            render("DEVICES_OUT", params)
            == "gpu-1: 디바이스 [0, 3]이(가) 서비스에서 제외되었습니다(제때 정리되지 않음)."
        )
    nested = to_params(
        {"node": "a", "devices": [StoredText("%(a)s of %(b)s", {"a": [1, 2], "b": None}), StoredText("b")]}
    )
    assert render("DEVICES_UNHEALTHY", nested) == "a: 1, 2 of –; b"  # noqa: RUF001


def test_what_cannot_be_rendered_is_shown_as_it_is_stored_and_secrets_are_not_stored() -> None:
    assert render("LEGACY", {"content": "100 % as it was"}) == "100 % as it was"
    assert render("OF_A_LATER_VERSION", {"node": "gpu-1"}) == "OF_A_LATER_VERSION (node: gpu-1)"
    assert render("NODE_LOST", {}) == "NODE_LOST ()"
    assert to_params({"error": "password=hunter2 \x00", "n": 3}) == {
        "error": "password=*** \N{REPLACEMENT CHARACTER}",
        "n": 3,
    }


def test_every_code_has_a_template_and_every_category_that_is_raised_a_code() -> None:
    assert list(TEMPLATES) == list(Code)
    assert category_of(Code.NODE_LOST) == Category.NODE_LOST
    with pytest.raises(ValueError, match="LEGACY"):
        category_of(Code.LEGACY)


def test_a_message_knows_the_subject_its_group_its_customer_and_its_tags(django_assert_num_queries: Any) -> None:
    far = create_backend_group(name="far", actor=make.ACTOR)
    gpu = make.backend(1, name="gpu-1", group=far)
    update_backend(gpu, actor=make.ACTOR, tags=["rack-7", "a100"])
    job = make.job(make.sda(1, description="Birch"))
    birch = job.token
    device = gpu.devices.get()
    subjects = [node(gpu.pk), Subject(SubjectKind.DEVICE, device.pk), node_group(far.pk), customer(birch.pk)]
    subjects += [Subject(SubjectKind.JOB, job.pk), SYSTEM, node(999_999)]
    for subject in subjects:
        raise_alert(Code.REPAIRED, subject, subject=str(subject), problem="-")
    ids = list(Alert.objects.values_list("pk", flat=True))
    with django_assert_num_queries(8):  # two more for nodes and devices, which have tags
        found = alerts_with(ids)
    facts = [one.facts for one in found]
    assert [(f.title, f.group, f.token, f.tags) for f in facts] == [
        ("gpu-1", "far", "", ("a100", "rack-7")),
        ("gpu-1 00", "far", "", ("a100", "rack-7")),
        ("far", "far", "", ()),
        ("Birch", "", "Birch", ()),
        (job.process_name, "default_backend_group", "Birch", ()),
        ("", "", "", ()),
        ("", "", "", ()),
    ]
    assert [(f.group_id, f.token_id) for f in facts[:5]] == [
        (far.pk, None), (far.pk, None), (far.pk, None), (None, birch.pk), (0, birch.pk),
    ]  # fmt: skip
    assert [named(subject, f) for subject, f in zip(subjects[::6], facts[::6], strict=True)] == [
        "node gpu-1", "node #999999",
    ]  # fmt: skip
    assert named(SYSTEM, facts[5]) == "installation"
    assert page_of(subjects[1]) == f"/admin/backends/device/{device.pk}/change/"
    assert page_of(SYSTEM) == ""


def test_a_subject_is_read_as_it_is_written() -> None:
    assert parse_subject(" backend/12 ") == node(12)
    assert [parse_subject(text) for text in ("backend", "backend/x", "nothing/1", "backend/" + "9" * 19)] == [None] * 4
