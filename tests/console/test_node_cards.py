"""The cards of the node grid: figures of a node, and its devices as cells."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from accounts.choices import Role
from alerts.codes import Code
from alerts.services import raise_alert
from alerts.subjects import node as node_subject
from backends.choices import PowerStatus
from backends.models import Agent, Backend, Bmc, Telemetry
from console.device_cells import device_text
from core.clock import db_now
from scheduler.cycle.tick import tick
from scheduler.models import Allocation
from scheduler.queries.node_cards import Cell, Holder, cards, rows_of
from scheduler.services.sdas import create_sda
from tests import make
from tests.admin_world import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


GRID = "/admin/console/nodes/"


def test_a_card_shows_the_node_and_its_host() -> None:
    node = make.ready_backend(1, name="gpu-1", description="rack 7")
    Agent.objects.filter(pk=node.pk).update(cpu=34.4, used_memory=215_040, total_memory=524_288)
    Bmc.objects.filter(pk=node.pk).update(status="on", target="off")
    raise_alert(Code.CHECK_FAILED, node_subject(node.pk), node=node.name, error="ECC")
    text = " ".join(client_of(Role.READ_ONLY).get(GRID).content.decode().split())
    assert "CPU 34 %</span><span>210 / 512 GiB</span>" in text
    assert "<span>Power on → off</span>" in text
    assert "default_backend_group · rack 7" in text
    link = f'href="/admin/alerts/alert/?state=open&amp;subject=backend/{node.pk}"'
    assert f'<a class="mc-alerts mc-level-warning" {link}>Alerts: 1</a>' in text


def test_figures_of_a_silent_node_are_marked_with_their_time() -> None:
    node = make.ready_backend(1, name="gpu-1")
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    Agent.objects.filter(pk=node.pk).update(cpu=93, used_memory=1024, total_memory=2048, last_seen=at)
    Telemetry.objects.create(
        device=node.devices.get(), temperature=99.0, utilization=80.0, memory_utilization=70, at=at
    )
    text = " ".join(client_of(Role.READ_ONLY).get(GRID).content.decode().split())
    assert (
        '<span class="mc-old">CPU 93 %</span><span class="mc-old">1 / 2 GiB</span> <span>as of 12:04:05</span>' in text
    )
    assert "mc-idle mc-old" in text
    assert "GPU 80 % · memory 70 % · as of 2026-01-02 12:04:05" in text
    assert "mc-hot" not in text


def test_figures_of_a_node_that_was_just_powered_off_are_marked_at_once() -> None:
    node = make.ready_backend(1, name="gpu-1")
    at = timezone.now()
    Agent.objects.filter(pk=node.pk).update(cpu=93, used_memory=1024, total_memory=2048, last_seen=at)
    Telemetry.objects.create(
        device=node.devices.get(), temperature=99.0, utilization=80.0, memory_utilization=70, at=at
    )
    Bmc.objects.filter(pk=node.pk).update(status=PowerStatus.OFF, checked_at=db_now())
    browser, moment = client_of(Role.READ_ONLY), f"as of {timezone.localtime(at):%Y-%m-%d %H:%M:%S}"
    grid = " ".join(browser.get(GRID).content.decode().split())
    page = " ".join(browser.get(f"/admin/backends/backend/{node.pk}/change/").content.decode().split())
    assert '<span class="mc-old">CPU 93 %</span><span class="mc-old">1 / 2 GiB</span>' in grid
    assert f"GPU 80 % · memory 70 % · {moment}" in grid
    assert "mc-hot" not in grid
    assert f'<span class="mc-old" title="{moment}">80 %</span>' in page
    assert f"<small>CPU · <time>{moment}</time></small>" in page
    assert '"cpu": null, "gpu": null, "memory": null, "hottest": null, "mean_heat": null' in page


def test_what_was_not_measured_is_a_dash() -> None:
    node = make.ready_backend(1, name="gpu-1")
    Telemetry.objects.create(device=node.devices.get(), utilization=80.0, at=timezone.now())
    text = " ".join(client_of(Role.READ_ONLY).get(GRID).content.decode().split())
    assert "CPU –</span><span>– / – GiB</span>" in text  # noqa: RUF001
    assert "GPU 80 % · memory – %" in text  # noqa: RUF001
    assert '<span>–</span><svg viewBox="0 0 100 8"' in text  # noqa: RUF001
    assert "mc-old" not in text


def test_a_node_whose_agent_has_never_reported_shows_no_figures() -> None:
    make.backend(0, name="new")
    text = client_of(Role.READ_ONLY).get(GRID).content.decode()
    assert "Its agent has not reported yet" in text
    assert "No devices" in text
    assert "GiB" not in text


def test_names_are_shown_as_they_are() -> None:
    make.backend(name="<b>bold</b>", description='"><script>alert(1)</script>')
    text = client_of(Role.GENERAL).get(GRID).content.decode()
    assert "&lt;b&gt;bold&lt;/b&gt;" in text
    assert "<script>alert" not in text


def cell(index: int, job: int | None) -> Cell:
    holder = Holder(job, 7, "Aurora Vision", datetime(2026, 1, 2, tzinfo=UTC)) if job else None
    return Cell(holder, 100 + index, index, "MI250", "IDLE", "", 65_536, None, None, None, None, None)


def test_devices_of_one_holder_next_to_each_other_are_one_run_also_into_the_next_row() -> None:
    holders = [None, None, 1, 1, 2, None, 2, 2, 2, None]
    rows = rows_of([cell(index, job) for index, job in enumerate(holders)])
    runs = [[(run.key, len(run.cells), run.before, run.after) for run in row] for row in rows]
    assert runs == [
        [
            (None, 2, False, False),
            ((1, 7), 2, False, False),
            ((2, 7), 1, False, False),
            (None, 1, False, False),
            ((2, 7), 2, False, True),
        ],
        [((2, 7), 1, True, False), (None, 1, False, False)],
    ]


def test_a_job_on_several_nodes_goes_on_from_card_to_card() -> None:
    for name in ("a", "b", "c"):
        make.ready_backend(1, name=name)
    tick(make.job(num_devices=3).group_id)
    runs = [card.rows[0][0] for card in cards(Backend.objects.order_by("name"))]
    assert [(run.before, run.after) for run in runs] == [(False, True), (True, True), (True, False)]


def test_the_text_of_a_device_has_its_state_holder_and_load() -> None:
    node = make.ready_backend(2)
    Telemetry.objects.create(
        device=node.devices.get(index=0), temperature=99.2, utilization=97, memory_utilization=45, at=db_now()
    )
    job = make.running_job(node)
    Allocation.objects.update(started_at="2026-01-02T03:04:05Z")
    ((row,),) = (card.rows for card in cards(Backend.objects.all()))
    texts = [device_text(device) for run in row for device in run.cells]
    assert texts == [
        f"00 99° MI250 · processing\njob #{job.pk} of {job.token.description} since 2026-01-02 12:04:05\n"
        "GPU 97 % · memory 45 %",
        "01 MI250 · idle",
    ]
    assert [device.heat for run in row for device in run.cells] == ["hot", ""]


def test_a_reservation_without_a_job_names_its_sda() -> None:
    make.ready_backend(1)
    token, model = make.token(description="Birch"), make.sda_model(1)
    sda = create_sda(token, model, actor=make.ACTOR, reserved=True)
    ((row,),) = (card.rows for card in cards(Backend.objects.all()))
    assert f"reserved for SDA #{sda.pk} of Birch since" in device_text(row[0].cells[0])


HEAT = {85.9: "", 86: "warm", 97.9: "warm", 98: "hot"}


@pytest.mark.parametrize("celsius", HEAT)
def test_a_warm_device_is_marked_at_the_levels_of_the_alerts(celsius: float) -> None:
    node = make.ready_backend(1)
    Telemetry.objects.create(device=node.devices.get(), temperature=celsius, at=db_now())
    ((row,),) = (card.rows for card in cards(Backend.objects.all()))
    assert row[0].cells[0].heat == HEAT[celsius]
