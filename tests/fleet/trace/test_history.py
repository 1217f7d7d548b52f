"""A trace becomes history: row by row for a small one, second by second for a large one."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from time import monotonic

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum

from alerts.models import Alert
from backends.choices import BackendStatus, DeviceStatus
from backends.models import Backend, BackendGroup, Device
from core.clock import db_now
from events.models import Event
from fleet.trace import history
from scheduler.models import Allocation, Job
from scheduler.reconcile import reconcile
from scheduler.replay.engine import replay
from scheduler.replay.trace import read_jobs, read_nodes
from sda.models import Sda, SdaModel
from sda.services.models import create_sda_model_group
from tests import make
from tests.scheduler.replay.files import DATA, large_trace
from tests.scheduler.replay.test_simulate import straight_from_the_file
from tokens.models import Token
from usage.audit import audit_usage
from usage.invariants import overlapping
from usage.models import UsageHour
from usage.services import close_hours

pytestmark = pytest.mark.django_db
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SMALL = [f"--nodes={DATA / 'nodes.csv'}", f"--jobs={DATA / 'alibaba.csv'}"]


def import_trace(*arguments: str) -> str:
    out = StringIO()
    call_command("import_trace", *arguments, stdout=out)
    return out.getvalue()


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def test_the_small_trace_row_by_row() -> None:
    import_trace(*SMALL)
    jobs = Job.objects.order_by("pk")
    assert list(jobs.values_list("process_name", "requested_at", "started_at", "ended_at", "num_devices")) == [
        ("whole-node", at(0), at(0), at(100), 8),
        ("two", at(10), at(10), at(60), 2),
        ("share", at(20), at(60), at(70), 1),
        ("overtakes", at(65), at(65), at(75), 1),
        ("best-effort", at(30), at(100), at(120), 4),
        ("over-at-once", at(130), at(130), at(130), 1),
    ]
    assert set(jobs.values_list("status", "exit_code", "attempt", "referer_protocol")) == {
        ("COMPLETED", 0, 1, "internal")
    }
    held = Allocation.objects.filter(job__process_name="best-effort").order_by("device__index")
    assert list(held.values_list("device__backend__name", "device__index", "started_at", "ended_at")) == [
        ("node-a", index, at(100), at(120)) for index in range(4)
    ]
    assert Allocation.objects.count() == 17


def test_the_cluster_is_there_as_it_was_and_nobody_asks_after_it() -> None:
    import_trace(*SMALL)
    group = BackendGroup.objects.get(name="trace")
    rows = Backend.objects.filter(group=group, status=BackendStatus.SHUTDOWN, deleted_at__isnull=False)
    assert sorted(rows.values_list("name", flat=True)) == ["node-a", "node-b"]
    assert set(Device.objects.values_list("status", flat=True)) == {DeviceStatus.SHUTDOWN}
    assert (Device.objects.count(), Backend.objects.live().count(), Alert.objects.count()) == (10, 0, 0)
    assert reconcile() == []


def test_each_users_jobs_of_one_size_are_one_customers() -> None:
    import_trace(*SMALL)
    sdas = Sda.objects.order_by("token__description")
    assert list(sdas.values_list("token__description", "token__priority", "token__max_duplicates", "model__name")) == [
        ("trace: BE, 4 devices", -10, 0, "trace.4"),
        ("trace: Burstable, 1 device", 0, 0, "trace.1"),
        ("trace: Guaranteed, 1 device", 20, 0, "trace.1"),
        ("trace: LS, 1 device", 10, 0, "trace.1"),
        ("trace: LS, 2 devices", 10, 0, "trace.2"),
        ("trace: LS, 8 devices", 10, 0, "trace.8"),
    ]
    assert set(SdaModel.objects.values_list("open", flat=True)) == {False}


def test_it_says_what_it_did_and_the_books_agree() -> None:
    said = import_trace(*SMALL).splitlines()
    assert said[0] == ("Replayed: 6 jobs on 2 nodes with 10 devices; 1 fit never; left out: 1 never ran, 1 no devices.")
    assert said[1] == "6 of 6 jobs"
    assert said[2].startswith(
        "History from 2026-01-01T00:00:00Z to 2026-01-01T00:02:10Z: 6 new jobs of 6, 6 customers, in "
    )
    assert said[3] == "Device-seconds agree: file 1,000.0, replay 1,000.0, hourly usage 1,000.0."
    assert (audit_usage().allocations, audit_usage().hours, audit_usage().device_ms, audit_usage().differences) == (
        17,
        1,
        1_000_000,
        [],
    )


def test_one_event_for_all_jobs_and_one_for_all_nodes() -> None:
    import_trace(*SMALL)
    events = dict(Event.objects.filter(action__contains="PAST").values_list("action", "request"))
    assert events == {
        "ADD_PAST_NODES": {"nodes": 2, "devices": 10},
        "ADD_PAST_JOBS": {"jobs": 6, "allocations": 17, "deviceMs": 1_000_000},
    }


def _rows() -> list[int]:
    return [model.objects.count() for model in (Job, Allocation, UsageHour, Token, Sda, Backend, Device)]


def test_twice_is_once() -> None:
    import_trace(*SMALL)
    before = _rows()
    assert ": 0 new jobs of 6, " in import_trace(*SMALL)
    assert _rows() == before
    assert audit_usage().differences == []


def test_an_import_that_was_broken_off_is_finished_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "BATCH", 2)

    def interrupt(_progress: str) -> None:
        raise KeyboardInterrupt

    outcome = replay(read_nodes(DATA / "nodes.csv"), read_jobs(DATA / "alibaba.csv").jobs)
    with pytest.raises(KeyboardInterrupt):
        history.write_history("trace", outcome, BEGIN, interrupt)
    assert Job.objects.count() == 2
    assert ": 4 new jobs of 6, " in import_trace(*SMALL)
    assert (Job.objects.count(), Allocation.objects.count(), audit_usage().differences) == (6, 17, [])


@pytest.mark.parametrize("days", [-4, 0, 4])
def test_a_history_before_among_and_after_hours_that_are_closed(days: int) -> None:
    device, sda = make.backend(1).devices.get(), make.sda()
    ten_days_ago = db_now() - timedelta(days=10)
    for start in (ten_days_ago, ten_days_ago + timedelta(days=1)):
        Allocation.objects.create(
            sda=sda, token=sda.token, device=device, started_at=start, ended_at=start + timedelta(minutes=90)
        )
    close_hours()
    import_trace(*SMALL, f"--begin={(ten_days_ago + timedelta(days=days)).isoformat()}")
    assert UsageHour.objects.aggregate(ms=Sum("device_ms")) == {"ms": 1_000_000 + 2 * 90 * 60_000}
    assert audit_usage().differences == []


def test_no_hour_before_the_history_stays_open() -> None:
    device, sda = make.backend(1).devices.get(), make.sda()
    early = BEGIN - timedelta(days=3)
    Allocation.objects.create(sda=sda, token=sda.token, device=device, started_at=early, ended_at=BEGIN)
    import_trace(*SMALL)
    assert UsageHour.objects.filter(token=sda.token).count() == 72
    assert audit_usage().differences == []


def test_times_of_milliseconds_and_of_a_calendar_are_moved_not_changed() -> None:
    import_trace(SMALL[0], f"--jobs={DATA / 'acme.csv'}", "--begin=2026-02-28T23:30:00.250+09:00")
    begin = datetime(2026, 2, 28, 14, 30, 0, 250_000, tzinfo=UTC)
    start = begin + timedelta(seconds=2400)
    assert list(Job.objects.order_by("requested_at").values_list("process_name", "requested_at", "ended_at")) == [
        ("dlc0", begin, begin + timedelta(milliseconds=501)),
        ("dlc1", start, start + timedelta(hours=1)),
    ]
    hour = datetime(2026, 2, 28, 14, tzinfo=UTC)
    assert list(UsageHour.objects.order_by("pk").values_list("hour", "token__description", "device_ms")) == [
        (hour, "trace: u8, 1 device", 501),
        (hour + timedelta(hours=1), "trace: u9, 10 devices", 29_997_500),
        (hour + timedelta(hours=2), "trace: u9, 10 devices", 6_002_500),
    ]


def _many_devices(folder: Path) -> list[str]:
    (folder / "nodes.csv").write_text("sn,gpu\nhuge,33\n")
    return [f"--nodes={folder / 'nodes.csv'}", SMALL[1]]


def test_a_node_larger_than_any_of_ours_is_refused_whole(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"0 to 32 devices.*huge"):
        import_trace(*_many_devices(tmp_path))
    assert (BackendGroup.objects.filter(name="trace").count(), Job.objects.count()) == (0, 0)


REFUSALS = {
    "a history that is not over": ([*SMALL, "--begin=2100-01-01T00:00Z"], "it may begin at the latest at "),
    "no time": ([*SMALL, "--begin=tomorrow"], "argument --begin: Write it as YYYY-MM-DD HH:MM."),
    "no name": ([*SMALL, "--prefix="], "a prefix has 1 to 40 characters"),
    "another policy": ([*SMALL, "--policy=lottery"], "invalid choice: 'lottery'"),
    "no such file": ([SMALL[0], "--jobs=/nowhere.csv"], "No such file or directory: '/nowhere.csv'"),
    "the same trace at another time": ([*SMALL, "--begin=2026-02-01T00:00Z"], "choose another --prefix"),
    "another trace of the same name": ([SMALL[0], f"--jobs={DATA / 'acme.csv'}"], "choose another --prefix"),
    "a name that something else has": ([*SMALL, "--prefix=taken"], "groups that serve something else"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_change_nothing_that_was_there(case: str) -> None:
    import_trace(*SMALL)
    create_sda_model_group(name="taken", backend_group=make.default_group(), actor=make.ACTOR)
    before = (Job.objects.count(), Allocation.objects.count(), UsageHour.objects.count())
    arguments, wanted = REFUSALS[case]
    with pytest.raises(CommandError) as caught:
        import_trace(*arguments)
    assert wanted in str(caught.value)
    assert (Job.objects.count(), Allocation.objects.count(), UsageHour.objects.count()) == before


@pytest.mark.parametrize("end", ["999999999999999", "9999-12-31T23:59:59-23:59"])
def test_a_job_that_ends_at_no_time_of_the_calendar_is_refused(tmp_path: Path, end: str) -> None:
    jobs = tmp_path / "jobs.csv"
    jobs.write_text(f"name,num_gpu,qos,creation_time,scheduled_time,deletion_time\na,1,LS,0,5,{end}\n")
    with pytest.raises(CommandError, match=r"The time is out of range\. \(parameter: jobs\)"):
        import_trace(SMALL[0], f"--jobs={jobs}")
    assert not BackendGroup.objects.filter(name="trace").exists()


@pytest.mark.only_sqlite  # the same on both, and slow
@pytest.mark.slow
def test_the_large_trace_whole_within_a_minute(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes, jobs = large_trace(tmp_path)
    wanted = straight_from_the_file(jobs)
    begun = monotonic()
    import_trace(f"--nodes={nodes}", f"--jobs={jobs}")
    assert monotonic() - begun < 60
    assert Job.objects.filter(status="COMPLETED").count() == wanted["finished"]
    assert UsageHour.objects.aggregate(ms=Sum("device_ms")) == {"ms": wanted["device_seconds"] * 1000}
    assert Device.objects.count() == 6_212
    assert not overlapping().exists()
    call_command("prove")
    assert f"{wanted['device_seconds'] * 1000} device-ms rolled up" in capsys.readouterr().out
