"""What the product notices about itself: cause, alert, cause gone, cleared; each once, with its hysteresis."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts.choices import Category, Change, Level
from alerts.models import Alert
from alerts.signals import alerts_changed
from backends.models import Agent
from backends.services.telemetry import TelemetryReport, store_telemetry
from core.clock import db_now
from core.version import version_key
from liveness.models import Sign
from moreh_cloud.selfcheck import disks
from moreh_cloud.selfcheck.levels import level_of
from moreh_cloud.tasks import check_self
from protocol.v1 import agents_pb2 as pb
from scheduler.models import Job, Queue
from scheduler.rpc.stream import Stream
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _beat() -> None:
    """Let beat be alive, where a test does not say otherwise."""
    Sign.objects.create(name="beat", seen_at=db_now())


@pytest.fixture
def changes() -> Iterator[list[str]]:
    """What alerts were raised, escalated and cleared, in their order."""
    seen: list[str] = []

    def note(*, changes: Any, **_more: object) -> None:
        seen.extend(one.change for one in changes)

    alerts_changed.connect(note)
    yield seen
    alerts_changed.disconnect(note)


def current(category: Category) -> list[tuple[str, str, str]]:
    """Return subject, level and text of the open alerts after a check; a second check must change nothing."""
    check_self()
    check_self()
    rows = Alert.objects.filter(category=category, cleared_at=None).order_by("subject_id")
    return [(str(row.subject), row.level, row.text) for row in rows]


def ago(**span: float) -> datetime:
    return db_now() - timedelta(**span)


def test_beat_that_is_silent(changes: list[str]) -> None:
    assert current(Category.NO_BEAT) == []
    Sign.objects.filter(name="beat").update(seen_at=ago(seconds=61))
    ((subject, level, text),) = current(Category.NO_BEAT)
    assert (subject, level) == ("system/0", Level.CRITICAL)
    assert text.startswith("Beat has given no sign of life for 61 s")
    Sign.objects.filter(name="beat").update(seen_at=ago(seconds=30))
    assert len(current(Category.NO_BEAT)) == 1
    Sign.objects.filter(name="beat").update(seen_at=ago(seconds=5))
    assert current(Category.NO_BEAT) == []
    assert changes == [Change.RAISED, Change.CLEARED]
    Sign.objects.all().delete()
    assert len(current(Category.NO_BEAT)) == 1


def test_a_queue_that_is_not_ticked_although_jobs_wait(changes: list[str]) -> None:
    job = make.job()
    Queue.objects.create(pk=job.group_id, ticked_at=ago(seconds=300))
    queue = Queue.objects.filter(pk=job.group_id)
    assert current(Category.QUEUE_STALLED) == []  # its job came only now
    Job.objects.update(requested_at=ago(seconds=200))
    ((subject, level, text),) = current(Category.QUEUE_STALLED)
    assert (subject, level) == (f"queue/{job.group_id}", Level.CRITICAL)
    assert text == f"Jobs wait in the queue of {job.group.name}, which was not ticked for 200 s."
    queue.update(ticked_at=ago(seconds=30))
    assert len(current(Category.QUEUE_STALLED)) == 1
    queue.update(ticked_at=ago(seconds=2))
    assert current(Category.QUEUE_STALLED) == []
    assert changes == [Change.RAISED, Change.CLEARED]


def test_a_disk_that_fills(changes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    percent = 0

    def usage(_folder: Path) -> Any:
        return SimpleNamespace(used=percent, free=100 - percent)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    levels = []
    for percent in (84, 85, 83, 95, 93, 92, 83, 82):  # noqa: B007 - read above
        levels.append([level for _subject, level, _text in current(Category.DISK_FULL)])
    warning, critical = [Level.WARNING], [Level.CRITICAL]
    assert levels == [[], warning, warning, critical, critical, warning, warning, []]
    assert changes == [Change.RAISED, Change.ESCALATED, Change.CLEARED]
    percent = 99
    assert current(Category.DISK_FULL) == [("system/1", "CRITICAL", "The disk of the data folder is 99 % full.")]


def test_a_database_that_fills(settings: Any) -> None:
    settings.MOREH_DB_GIB = 1
    found = {disk.name: disk.used for disk in disks.disks()}
    assert 0 < found["data"] < 1
    if connection.vendor == "postgresql":
        assert 0.001 < found["database"] < 1


def certificate(days: float) -> bytes:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cloud")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=days))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_certificate_that_expires(changes: list[str], settings: Any, tmp_path: Path) -> None:
    file = tmp_path / "web.pem"
    settings.MOREH_CERTIFICATES = (file,)
    file.write_bytes(certificate(days=31))
    assert current(Category.CERTIFICATE_EXPIRES) == []
    file.write_bytes(certificate(days=300) + certificate(days=29.5))
    ((_subject, level, text),) = current(Category.CERTIFICATE_EXPIRES)
    end = (datetime.now(UTC) + timedelta(days=29.5)).date()
    assert (level, text) == (Level.WARNING, f"The certificate in web.pem expires on {end}, in 29 days.")
    file.write_bytes(certificate(days=6.9))
    assert [level for _subject, level, _text in current(Category.CERTIFICATE_EXPIRES)] == [Level.CRITICAL]
    file.write_bytes(certificate(days=90))
    assert current(Category.CERTIFICATE_EXPIRES) == []
    assert changes == [Change.RAISED, Change.ESCALATED, Change.CLEARED]
    file.write_bytes(b"none")
    assert [text for *_more, text in current(Category.CERTIFICATE_EXPIRES)] == [
        "The certificate in web.pem cannot be read."
    ]
    file.write_bytes(certificate(days=20))  # of the same level
    assert [text for *_more, text in current(Category.CERTIFICATE_EXPIRES)] == [
        f"The certificate in web.pem expires on {(datetime.now(UTC) + timedelta(days=20)).date()}, in 19 days."
    ]


def test_an_agent_that_is_too_old(changes: list[str], settings: Any) -> None:
    settings.MOREH_OLDEST_AGENT = "1.10"
    old, odd, fine = make.backend(name="gpu-1"), make.backend(), make.backend()
    for node, version in ((old, "1.9.3"), (odd, "nightly"), (fine, "1.10.0")):
        Agent.objects.filter(pk=node.pk).update(version=version)
    text = "The agent of gpu-1 has version 1.9.3; at least 1.10 is supported."
    assert current(Category.AGENT_OLD) == [(f"backend/{old.pk}", Level.NOTICE, text)]
    Agent.objects.filter(pk=old.pk).update(version="1.9.4")
    text = "The agent of gpu-1 has version 1.9.4; at least 1.10 is supported."
    assert current(Category.AGENT_OLD) == [(f"backend/{old.pk}", Level.NOTICE, text)]
    Agent.objects.filter(pk=old.pk).update(version="v1.11")
    assert current(Category.AGENT_OLD) == []
    assert changes == [Change.RAISED, Change.CLEARED]


def test_a_node_whose_clock_is_wrong(changes: list[str]) -> None:
    node = make.backend(1, name="gpu-2")
    session = make.hello(node, 1)
    sequence = Agent.objects.get(pk=node.pk).sequence
    levels = []
    for skew in (None, 4_900, -5_000, -2_600, 2_500):
        sequence += 1
        store_telemetry([TelemetryReport(node.pk, session, sequence, None, None, None, (), skew)])
        levels.append([text for _subject, _level, text in current(Category.CLOCK_SKEW)])
    wrong = ["The clock of gpu-2 differs by -5.0 s from the server's."]
    assert levels == [[], [], wrong, wrong, []]
    assert changes == [Change.RAISED, Change.CLEARED]


@contextmanager
def time_is(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr("scheduler.rpc.stream.time.time", lambda: seconds)
        yield


@pytest.mark.only_sqlite
def test_the_skew_is_that_of_the_report_that_was_held_up_least(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(make.backend(0), UUID(int=1), pb.AgentMessage(), ())
    seen = []
    for held_up in (0, 9, 2, 0.5, 3):
        with time_is(monkeypatch, 1_000 + held_up):
            stream.note_clock(pb.AgentMessage(sent_at_ms=1_004_000))
        seen.append(stream.clock_skew_ms)
    assert seen == [None, None, 2_000, 2_000, 1_000]
    with time_is(monkeypatch, 1_000):
        stream.note_clock(pb.AgentMessage())
        assert stream.clock_skew_ms == 1_000
        for _ in range(3):
            stream.note_clock(pb.AgentMessage(sent_at_ms=2**63 - 1))
    assert stream.clock_skew_ms == 2**53


@pytest.mark.only_sqlite
def test_levels_end_below_where_they_begin() -> None:
    cases = {
        (84.9, None): None, (85, None): "WARNING", (95, None): "CRITICAL", (82, Level.WARNING): None,
        (82.1, Level.WARNING): "WARNING", (94, Level.WARNING): "WARNING", (92.1, Level.CRITICAL): "CRITICAL",
        (92, Level.CRITICAL): "WARNING", (82, Level.CRITICAL): None,
    }  # fmt: skip
    assert {case: level_of(*case, warning=85, critical=95, margin=3) for case in cases} == cases
    texts = {"1.4.0": (1, 4), "v0.10": (0, 10), "2-rc1": (2,), "0.0": (), "": None, "one": None, "1.2.3.4.5": None}
    assert {text: version_key(text) for text in texts} == texts


def test_it_takes_few_queries_however_many_nodes() -> None:
    make.backend(1)
    check_self()
    with CaptureQueriesContext(connection) as few:
        check_self()
    for _ in range(5):
        make.backend(1)
    with CaptureQueriesContext(connection) as many:
        check_self()
    assert len(many) == len(few)
