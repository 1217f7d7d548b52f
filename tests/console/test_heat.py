"""The heat map's JSON, and the frame that draws it."""

import gzip
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.choices import Role
from alerts.choices import Category, Level
from alerts.codes import Code
from alerts.services import clear_alert, raise_alert
from alerts.subjects import job as job_subject
from alerts.subjects import node as node_subject
from backends.choices import BackendStatus, DeviceStatus
from backends.models import Device
from backends.services.groups import create_backend_group
from backends.services.nodes import set_backend_status
from core.clock import to_ms
from scheduler.models import Allocation
from scheduler.services.nodes import set_device_status
from scheduler.services.sdas import create_sda
from tests import make
from tests.admin_world import client_of
from tests.transitions import unchecked

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
PAGE, NODES, HOLDERS = "/admin/console/heat/", "/admin/console/heat/nodes", "/admin/console/heat/holders"


def test_nodes_come_as_columns_in_the_order_of_their_groups() -> None:
    far = create_backend_group(name="far", index=-1, actor=make.ACTOR)
    one = make.ready_backend(3, name="one")
    two = make.ready_backend(2, name="two", group=far)
    set_device_status(one, DeviceStatus.BUSY, actor=make.ACTOR, index=2)
    job = make.running_job(one)
    with unchecked():
        Device.objects.filter(backend=two, index=0).update(status="CLEANING")
    set_backend_status(two, BackendStatus.SHUTDOWN, actor=make.ACTOR)
    raise_alert(Code.CHECK_FAILED, node_subject(two.pk), level=Level.NOTICE, node="two", error="ECC")
    raise_alert(Code.NODE_LOST, node_subject(two.pk), level=Level.CRITICAL, node="two")
    raise_alert(Code.NODE_LOST, node_subject(one.pk), node="one")
    clear_alert(Category.NODE_LOST, node_subject(one.pk))
    raise_alert(Code.REPAIRED, job_subject(job.pk), subject="job", problem="of a job")
    assert client_of(Role.READ_ONLY).get(NODES).json() == {
        "id": [two.pk, one.pk],
        "name": ["two", "one"],
        "group": [far.pk, 0],
        "off": [1, 0],
        "states": [0, 1, 1, 0, 0, 1, 1, 0, 1, 0],  # in use, idle, moving, kept out, shut down
        "groups": {str(far.pk): "far", "0": "default_backend_group"},
        "alerts": [
            [two.pk, "CRITICAL", "node lost", "two has been silent too long; it gets no jobs."],
            [two.pk, "NOTICE", "GPU error", "two: health check failed: ECC"],
        ],
    }


def test_a_draining_device_is_on_its_way() -> None:
    node = make.ready_backend(1)
    make.running_job(node)
    set_device_status(node, DeviceStatus.SHUTDOWN, actor=make.ACTOR)
    assert client_of(Role.READ_ONLY).get(NODES).json()["states"] == [0, 0, 1, 0, 0]


def test_holders_are_jobs_and_reservations_with_their_customers() -> None:
    node = make.ready_backend(4)
    job = make.running_job(node, 2)
    token = make.token(description="Birch")
    sda = create_sda(token, make.sda_model(1), actor=make.ACTOR, reserved=True)
    Allocation.objects.filter(job=job).order_by("pk").latest("pk").delete()
    since = {held.job_id or 0: to_ms(held.started_at) for held in Allocation.objects.all()}
    holders = client_of(Role.READ_ONLY).get(HOLDERS).json()
    assert sorted(holders["held"]) == [
        [node.pk, 0, sda.pk, token.pk, since[0], 1],
        [node.pk, job.pk, job.sda_id, job.token_id, since[job.pk], 1],
    ]
    assert holders["owners"] == {str(token.pk): "Birch", str(job.token_id): job.token.description}


def test_an_installation_without_nodes_is_an_empty_map() -> None:
    browser = client_of(Role.READ_ONLY)
    assert browser.get(NODES).json() == {
        "id": [], "name": [], "group": [], "off": [], "states": [], "groups": {}, "alerts": [],
    }  # fmt: skip
    assert browser.get(HOLDERS).json() == {"held": [], "owners": {}}


@pytest.mark.parametrize("address", [NODES, HOLDERS])
def test_the_filters_of_the_node_grid_choose_here_too(address: str) -> None:
    make.running_job(make.ready_backend(1, name="first"))
    other = make.ready_backend(1, name="second")
    make.running_job(other)
    found = client_of(Role.READ_ONLY).get(address + "?q=second").json()
    assert (found.get("id") or [row[0] for row in found["held"]]) == [other.pk]


def test_no_more_queries_for_more_nodes() -> None:
    browser = client_of(Role.MASTER)

    def queries() -> list[int]:
        counts = []
        for address in (PAGE, NODES, HOLDERS):
            with CaptureQueriesContext(connection) as seen:
                browser.get(address)
            counts.append(len(seen))
        return counts

    make.running_job(make.ready_backend(2))
    few = queries()
    for _ in range(20):
        make.running_job(make.ready_backend(2))
    assert queries() == few == [6, 6, 4]


@pytest.mark.parametrize("address", [PAGE, NODES, HOLDERS])
def test_answers_are_small_and_only_for_operators(address: str) -> None:
    for _ in range(20):
        make.running_job(make.ready_backend(2))
    answer: Any = client_of(Role.READ_ONLY).get(address, headers={"accept-encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.content) < len(gzip.decompress(answer.content)) / 2
    assert Client().get(address).headers["Location"].startswith("/admin/login/")


def test_the_page_names_its_data_its_texts_and_the_other_ways_with_its_filters() -> None:
    page: Any = client_of(Role.READ_ONLY).get(PAGE + "?device=out&other=1", headers={"accept-language": "ko"})
    text = page.content.decode()
    assert 'data-nodes="/admin/console/heat/nodes?device=out"' in text
    assert [way for _word, way in page.context["ways"]] == [
        "/admin/console/nodes/?device=out",
        "/admin/backends/backend/?device=out",
    ]
    words = json.loads(text.partition('id="heat-words" type="application/json">')[2].partition("</script>")[0])
    assert words["states"] == ["사용 중", "유휴", "드레인 또는 정리 중", "제외", "중지"]
    assert "Heat map" not in text
