"""The timeline: every allocation of a range as a bar of its row, and never a part of them in silence."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from accounts.choices import Role
from backends.models import Backend
from backends.services.maintenance import create_window, end_window
from backends.services.nodes import delete_backend
from console.queries import timeline as reads
from core.clock import db_now, to_ms
from scheduler.models import Allocation, Job
from scheduler.services.sdas import create_sda
from tests import make
from tests.admin_world import client_of
from tests.console.jobs_data import CLOCK, TIMELINE, group, hold, page, past_job, queries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
BY_NODE, BY_TOKEN = 9 + CLOCK, 7 + CLOCK


@pytest.fixture
def browser() -> Client:
    return client_of(Role.READ_ONLY)


def picture(browser: Client, **params: object) -> dict[str, Any]:
    found = re.search(
        r'<script id="timeline-data" type="application/json">(.*?)</script>', page(browser, TIMELINE, **params)
    )
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def wide_job(node: Backend, devices: list[int], start: datetime, end: datetime) -> Job:
    """Make a job that held these devices of a node."""
    job = past_job(node, device=devices[0])
    Allocation.objects.filter(job=job).delete()
    for device in devices:
        hold(node, device, start, end, job)
    return job


def test_neighbouring_devices_of_one_job_are_one_bar(browser: Client) -> None:
    node, now = make.ready_backend(8, name="gpu-1"), db_now()
    start, end = now - timedelta(minutes=30), now - timedelta(minutes=10)
    job = wide_job(node, [0, 1, 2, 5], start, end)
    data = picture(browser)
    assert data["rows"] == [["gpu-1", 8, data["rows"][0][2]]]
    name = job.token.description
    assert data["bars"] == [
        [0, 0, 3, to_ms(start), to_ms(end), "COMPLETED", job.pk, name, "gpu-1/00,01,02"],
        [0, 5, 1, to_ms(start), to_ms(end), "COMPLETED", job.pk, name, "gpu-1/05"],
    ]
    assert data["states"]["COMPLETED"] == ["mc-used", "completed"]
    devices = picture(browser, node=node.pk)
    assert [row[0] for row in devices["rows"]] == [f"gpu-1/{n:02}" for n in range(8)]
    assert [bar[0] for bar in devices["bars"]] == [0, 1, 2, 5]


def test_a_reservation_is_shown_as_one_and_a_running_job_has_no_end(browser: Client) -> None:
    node = make.ready_backend(3, name="gpu-1")
    running = make.running_job(node)
    sda = create_sda(make.token(description="Birch"), make.sda_model(2), actor=make.ACTOR, reserved=True)
    bars = {bar[5]: bar for bar in picture(browser)["bars"]}
    assert set(bars) == {"RUNNING", ""}
    assert bars["RUNNING"][4:8] == [None, "RUNNING", running.pk, running.token.description]
    assert bars[""][4:] == [None, "", sda.pk, "Birch", "gpu-1/01,02"]
    assert picture(browser)["states"][""] == ["mc-kept", "reserved"]


def test_by_customer_jobs_at_once_have_lanes_and_a_job_on_two_nodes_is_one_bar(browser: Client) -> None:
    first, second, now = make.ready_backend(2, name="gpu-1"), make.ready_backend(2, name="gpu-2"), db_now()
    aurora = make.token(description="Aurora", max_sda_count=3)
    times = [(50, 30), (40, 20), (25, 15)]
    jobs = [past_job(first, owner=aurora) for _ in times]
    Allocation.objects.all().delete()
    for device, (job, (start, end)) in enumerate(zip(jobs, times, strict=True)):
        hold(first, device % 2, now - timedelta(minutes=start), now - timedelta(minutes=end), job)
    hold(second, 1, now - timedelta(minutes=50), now - timedelta(minutes=30), jobs[0])
    make.token(description="Idle customer")
    data = picture(browser, by="token")
    assert [row[:2] for row in data["rows"]] == [["Aurora", 2]]
    assert [(bar[1], bar[6], bar[8]) for bar in data["bars"]] == [
        (0, jobs[0].pk, "gpu-1/00 gpu-2/01"),
        (1, jobs[1].pk, "gpu-1/01"),
        (0, jobs[2].pk, "gpu-1/00"),
    ]


# Minutes ago: an allocation from … to …; is it in the range from 60 to 30 minutes ago?
RANGES = {
    "before it": (90, 70, False),
    "until just its start": (90, 60, False),
    "into it": (90, 50, True),
    "within it": (50, 40, True),
    "out of it": (40, 10, True),
    "from just its end": (30, 10, False),
    "after it": (20, 10, False),
    "over all of it": (200, 1, True),
}


@pytest.mark.parametrize("case", RANGES)
@pytest.mark.parametrize("by", ["node", "token"])
def test_a_free_range_holds_what_overlaps_it(browser: Client, case: str, by: str) -> None:
    node = make.ready_backend(1)
    now = db_now().replace(microsecond=0)
    start, end, inside = RANGES[case]
    wide_job(node, [0], now - timedelta(minutes=start), now - timedelta(minutes=end))
    ago = {
        name: f"{timezone.localtime(now - timedelta(minutes=m)):%Y-%m-%dT%H:%M:%S}"
        for name, m in (("from", 60), ("to", 30))
    }
    shown = page(browser, TIMELINE, by=by, **ago)
    found = re.search(r'<script id="timeline-data" type="application/json">(.*?)</script>', shown)
    bars = json.loads(found[1])["bars"] if found else []
    assert len(bars) == int(inside)
    assert found or "Nobody held a device in this range." in shown


@pytest.mark.parametrize("limit", ["MOST", "MOST_BARS"])
@pytest.mark.parametrize("by", ["node", "token"])
def test_with_too_many_bars_there_is_a_message_and_no_chart(
    browser: Client, monkeypatch: pytest.MonkeyPatch, limit: str, by: str
) -> None:
    monkeypatch.setattr(reads, limit, 2)
    node = make.ready_backend(4)
    for device in range(2):
        past_job(node, device=device)
    assert len(picture(browser, by=by)["bars"]) == 2
    past_job(node, device=2)
    shown = page(browser, TIMELINE, by=by)
    assert "nothing is drawn rather than a part of it" in shown
    assert "timeline-data" not in shown


def test_rows_are_nodes_by_name_in_pages_and_narrowed_by_group_and_text(browser: Client) -> None:
    other = group("Other")
    for n in range(12):
        make.ready_backend(1, name=f"gpu-{n:02}", **({"group": other} if n == 3 else {}))
    first = page(browser, TIMELINE, rows=10)
    assert [row[0] for row in picture(browser, rows=10)["rows"]] == [f"gpu-{n:02}" for n in range(10)]
    after = re.search(r'rel="next" href="([^"]+page=2[^"]*)"', first)
    assert after
    assert [row[0] for row in picture(browser, rows=10, page=2)["rows"]] == ["gpu-10", "gpu-11"]
    assert [row[0] for row in picture(browser, q="-1")["rows"]] == ["gpu-10", "gpu-11"]
    assert [row[0] for row in picture(browser, group=other.pk)["rows"]] == ["gpu-03"]
    assert "No nodes match." in page(browser, TIMELINE, q="none")


def test_a_deleted_node_is_shown_where_it_held_something_and_nowhere_else(browser: Client) -> None:
    gone, empty, _node = (make.ready_backend(2, name=name) for name in ("gpu-2", "gpu-3", "gpu-1"))
    job = past_job(gone, name="mine.py")
    for one in (gone, empty):
        delete_backend(one, actor=make.ACTOR)
    make.ready_backend(1, name="gpu-2")  # a name may be used again
    data = picture(browser)
    assert [row[0] for row in data["rows"]] == ["gpu-1", "gpu-2 (deleted)", "gpu-2"]  # of one name, the older first
    assert [(data["rows"][bar[0]][0], bar[6]) for bar in data["bars"]] == [("gpu-2 (deleted)", job.pk)]
    assert [row[0] for row in picture(browser, node=gone.pk)["rows"]] == ["gpu-2/00", "gpu-2/01"]
    before = {"from": "2026-01-01T00:00:00", "to": "2026-01-02T00:00:00"}
    assert [row[0] for row in picture(browser, **before)["rows"]] == ["gpu-1", "gpu-2"]


def test_maintenance_is_a_band_over_the_row_of_its_node_and_of_its_devices(browser: Client) -> None:
    node, now = make.ready_backend(2, name="gpu-1"), db_now()
    hour = timedelta(hours=1)
    plan: dict[str, Any] = {"reason": "fans", "actor": make.ACTOR}
    window = create_window([node.pk], starts_at=now + hour, ends_at=now + 3 * hour, **plan)
    end_window(create_window([node.pk], starts_at=now + 4 * hour, ends_at=now + 5 * hour, **plan), actor=make.ACTOR)
    params = {"from": (now - hour).isoformat(), "to": (now + 9 * hour).isoformat()}
    data = picture(browser, **params)
    start, end = to_ms(window.starts_at), to_ms(window.ends_at)
    assert data["bars"] == [[0, 0, 2, start, end, "MAINTENANCE", window.pk, "fans", ""]]
    assert data["others"]["MAINTENANCE"].endswith("/backends/maintenancewindow/000000000000/change/")
    assert [bar[:3] for bar in picture(browser, node=node.pk, **params)["bars"]] == [[0, 0, 1], [1, 0, 1]]


def test_it_renews_itself_while_its_range_moves_with_the_time(browser: Client) -> None:
    make.ready_backend(1)
    live = 'id="timeline-part" data-live="jobs"'
    assert live in page(browser, TIMELINE, range="1h")
    assert live not in page(browser, TIMELINE, **{"from": "2026-01-01T00:00:00", "to": "2026-01-02T00:00:00"})


@pytest.mark.parametrize(
    "params", [{"from": "x"}, {"range": "9y"}, {"from": "2026-13-01T00:00"}, {"node": "-1"}, {"to": "0001-01-01T00:00"}]
)
def test_what_makes_no_sense_falls_back(browser: Client, params: Any) -> None:
    make.ready_backend(1)
    assert picture(browser, **params)["bars"] == []


def test_a_range_that_ends_before_it_starts_is_told_and_can_be_corrected(browser: Client) -> None:
    given = {"from": "2026-01-02T00:00:00", "to": "2026-01-01T00:00:00"}
    shown = page(browser, TIMELINE, **given)
    assert "To: The end must be after the start." in shown
    for name, text in given.items():
        assert f'name="{name}" value="{text}"' in shown


@pytest.mark.parametrize(
    ("start", "end", "earlier", "later"),
    [
        ("2026-01-01T00:00Z", "8999-12-31T00:00Z", "1971-01-01T00:00:00Z", "9000-01-01T00:00:00Z"),
        ("1971-01-01T00:00Z", "1971-01-02T00:00Z", None, "1971-01-03T00:00:00Z"),
        ("8999-12-31T00:00Z", "9000-01-01T00:00Z", "8999-12-30T00:00:00Z", None),
    ],
)
def test_the_ranges_before_and_after_end_where_times_do(
    browser: Client, start: str, end: str, earlier: str | None, later: str | None
) -> None:
    context = browser.get(TIMELINE, {"from": start, "to": end}).context
    before, after = (QueryDict(context[name].partition("?")[2]) for name in ("earlier", "later"))
    ends = [
        None if at is None else timezone.localtime(datetime.fromisoformat(at)).isoformat() for at in (earlier, later)
    ]
    assert [before.get("from"), after.get("to")] == ends


def test_the_queries_are_as_many_for_50_rows_as_for_5(browser: Client) -> None:
    def more(number: int) -> None:
        for _ in range(number):
            past_job(make.ready_backend(2))

    more(5)
    page(browser, TIMELINE)
    assert (queries(browser, TIMELINE), queries(browser, TIMELINE, by="token")) == (BY_NODE, BY_TOKEN)
    more(45)
    assert (queries(browser, TIMELINE, rows=100), queries(browser, TIMELINE, by="token")) == (BY_NODE, BY_TOKEN)


def test_the_page_speaks_korean(browser: Client) -> None:
    past_job(make.ready_backend(1))
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "ko"
    shown = page(browser, TIMELINE)
    for word in ("노드별", "고객별", "최근 1시간", "표로 보기", "화살표 키"):
        assert word in shown
    assert picture(browser)["states"]["COMPLETED"][1] == "완료"


@pytest.mark.only_postgresql
def test_a_range_long_past_is_found_by_the_summary_of_the_table() -> None:
    node, now = make.ready_backend(1), db_now()
    job = past_job(node)
    first = Allocation.objects.create(
        job=job, sda=job.sda, token=job.token, device=node.devices.get(),
        started_at=now - timedelta(minutes=40_000), ended_at=now - timedelta(minutes=39_999.5),
    )  # fmt: skip
    columns = [field.attname for field in Allocation._meta.concrete_fields if not field.primary_key]
    later = [f"{name} + n * interval '1 minute'" if name in ("started_at", "ended_at") else name for name in columns]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO scheduler_allocation ({', '.join(columns)}) SELECT {', '.join(later)} "  # noqa: S608 - no input
            "FROM scheduler_allocation, generate_series(1, 29999) AS n WHERE id = %s",
            [first.pk],
        )
        cursor.execute("SELECT brin_summarize_new_values('allocation_span')")
        cursor.execute("ANALYZE scheduler_allocation")
    extent = reads.Extent(now - timedelta(minutes=39_000), now - timedelta(minutes=38_990))
    plan = Allocation.objects.filter(reads._overlapping(extent)).order_by().explain()
    assert "Bitmap Index Scan on allocation_span" in plan
    assert "Seq Scan on scheduler_allocation" not in plan
