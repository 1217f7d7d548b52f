"""Output of workers, from their agents over the broker to whoever asks, and what is kept of it for a lost node."""

import time
from datetime import timedelta
from threading import BoundedSemaphore, Thread
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient
from typer.testing import CliRunner

from accounts.choices import Role
from backends.models import Backend
from clients.smi.main import app as smi
from core.clock import db_now
from protocol.v1 import agents_pb2 as pb
from protocol.v1 import jobs_pb2
from protocol.v1.jobs_pb2_grpc import JobsStub
from scheduler.logs import broker, streams
from scheduler.logs.tails import Tail, delete_old_tails, store_tails
from scheduler.models import Job, Worker, WorkerTail
from scheduler.rpc import log_relay
from tests import make
from tests.api import V2, client, refused
from tests.rpc.log_site import SECRET, Connect, Site
from tests.rpc.peers import WritingAgent
from tests.rpc.servers import Server, bearer

LOG = f"{V2}/scheduler/log"


@pytest.fixture
def reader(transactional_db: None) -> APIClient:
    return client(Role.READ_ONLY)


def _of(site: Site, **params: str) -> dict[str, Any]:
    return {"job": site.job.pk, **params}


def read(reader: APIClient, job: Job, **params: Any) -> list[dict[str, Any]]:
    answer = reader.get(LOG, {"job": job.pk, **params})
    assert answer.status_code == 200, answer.json()
    cards: list[dict[str, Any]] = answer.json()
    return cards


def test_the_output_of_all_nodes_or_of_one_is_read_from_their_agents(
    manager: Server, connect: Connect, reader: APIClient
) -> None:
    site = Site(manager, connect, "gpu-01", "gpu-02")
    first = site.write("gpu-01", f"step 1\nuse {SECRET}\nstep 3 of".encode())
    site.write("gpu-02", b"one\ntwo\nthree\n", running=False)
    one, two = read(reader, site.job)
    assert one == {
        "worker": first.pk,
        "attempt": 1,
        "node": "gpu-01",
        "backendId": str(first.backend_id),
        "devices": [0],
        "text": "step 1\nuse ***\nstep 3 ",
        "offset": 0,
        "nextOffset": 62,
        "running": True,
        "more": False,
        "missing": 0,
        "problem": None,
        "message": None,
        "keptAt": None,
    }
    assert (two["node"], two["text"], two["running"]) == ("gpu-02", "one\ntwo\nthree\n", False)
    site.write("gpu-01", f"step 1\nuse {SECRET}\nstep 3 of 9\n".encode())
    [more] = read(reader, site.job, node="gpu-01", offset=62)  # not "nothing has changed": agents know, no table does
    assert (more["text"], more["nextOffset"]) == ("of 9\n", 67)
    assert [card["text"] for card in read(reader, site.job, tail=1)] == ["step 3 of 9\n", "three\n"]
    site.agents["gpu-02"].gone[site.workers["gpu-02"].pk] = 4
    [gap] = read(reader, site.job, node="gpu-02", offset=0)
    assert (gap["missing"], gap["offset"], gap["text"]) == (8, 8, "three\n")  # "two" may be cut


def test_a_long_output_comes_whole_or_is_followed_to_its_end(
    manager: Server, connect: Connect, reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(manager, connect, "gpu-01")
    output = b"".join(b"line %d %s\n" % (n, SECRET.encode()) for n in range(1500))
    worker = site.write("gpu-01", output, running=False)
    text = output.decode().replace(SECRET, "***")
    answer = reader.get(LOG, _of(site, whole="true"))
    assert answer["Content-Disposition"] == f'attachment; filename="job-{site.job.pk}.log"'
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    title = f"==> gpu-01, worker {worker.pk} <==\n"
    assert b"".join(answer).decode() == title + text
    table = reader.get(LOG, _of(site, whole="true"), headers={"accept": "text/csv"})
    assert table["Content-Type"].startswith("text/csv")
    assert max(asked.limit for asked in site.agents["gpu-01"].asked) <= 32 * 1024

    monkeypatch.setattr(streams, "PAUSE_S", 0.05)
    site.write("gpu-01", b"first\n")
    pieces = iter(reader.get(LOG, _of(site, follow="true")))
    assert next(pieces) == b"first\n"
    site.write("gpu-01", b"first\nsecond\n")
    assert next(pieces) == b"second\n"
    site.write("gpu-01", b"first\nsecond\nthe end", running=False)
    assert list(pieces) == [b"the end"]


def test_a_download_that_is_cut_says_so_and_waits_while_too_much_is_read(
    manager: Server, connect: Connect, reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(manager, connect, "gpu-01")
    worker = site.write("gpu-01", b"line of a long output\n" * 3000 + b"the end\n", running=False)
    title = f"==> gpu-01, worker {worker.pk} <==\n"
    most = log_relay.MOST_OF_NODE
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            monkeypatch.setattr(log_relay, "MOST_OF_NODE", most)

    monkeypatch.setattr(streams, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    pieces = iter(reader.get(LOG, _of(site, whole="true")))
    assert [next(pieces).decode(), next(pieces).decode()] == [title, ("line of a long output\n" * 1397)[: 30 * 1024]]
    monkeypatch.setattr(log_relay, "MOST_OF_NODE", 0)
    assert b"".join(pieces).decode().endswith("output\nthe end\n")
    assert slept == [0.1, 0.2]

    pieces = iter(reader.get(LOG, _of(site, whole="true"), headers={"accept-language": "ko"}))
    assert [next(pieces).decode(), len(next(pieces))] == [title, 30 * 1024]
    monkeypatch.setattr(log_relay, "MOST_OF_NODE", 0)
    busy = "지금 너무 많은 출력을 읽고 있습니다. 다시 시도하세요."
    assert b"".join(pieces).decode() == f"\n[{busy} 출력이 완전하지 않습니다.]\n"
    assert slept[2:] == [0.1, 0.2, 0.4, 0.8, 1.5]


def test_a_reader_that_leaves_makes_room_for_the_next(
    manager: Server, connect: Connect, reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(manager, connect, "gpu-01")
    site.write("gpu-01", b"first\n")
    monkeypatch.setattr(streams, "_open", BoundedSemaphore(1))
    follow: dict[str, Any] = {"job": site.job.pk, "follow": "true"}
    held = reader.get(LOG, follow)
    assert refused(reader.get(LOG, follow)) == (429, "THROTTLED", ["seconds"])
    held.close()
    again = reader.get(LOG, follow)
    assert again.status_code == 200
    again.close()


def test_the_last_output_of_a_lost_node_is_kept(
    manager: Server, connect: Connect, reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(manager, connect, "gpu-01")
    agent, worker = site.agents["gpu-01"], site.workers["gpu-01"]
    agent.send_message(
        log_tail=pb.LogTail(worker_id=worker.pk, offset=100, data=f"it {SECRET}\nout of".encode(), running=True)
    )
    make.wait_for(WorkerTail.objects.exists)
    agent.drop()
    make.wait_for(lambda: Backend.objects.get(pk=worker.backend_id).agent.session is None)
    [card] = read(reader, site.job)
    kept = WorkerTail.objects.get()
    assert (kept.pk, kept.text, kept.end) == (worker.pk, "***\nout ", 151)
    assert (card["text"], card["nextOffset"], card["problem"], card["running"]) == (
        "***\nout ",
        151,
        "NODE_AWAY",
        False,
    )
    assert (card["message"], card["keptAt"] is not None) == ("Its node is not connected.", True)
    [nothing] = read(reader, site.job, node="gpu-01", offset=151)
    assert (nothing["text"], nothing["problem"]) == ("", "NODE_AWAY")
    [gap] = read(reader, site.job, node="gpu-01", offset=3)
    assert (gap["text"], gap["offset"], gap["missing"]) == ("***\nout ", 103, 100)
    at = f"{timezone.localtime(kept.at):%Y-%m-%d %H:%M:%S %Z}"
    note = f"Its node is not connected. This is the last output that the server has, of {at}."
    whole = b"".join(reader.get(LOG, _of(site, whole="true"))).decode()
    missing = "[103 bytes are not kept any more.]"
    assert whole == f"==> gpu-01, worker {worker.pk} <==\n[{note}]\n{missing}\n***\nout \n"
    monkeypatch.setattr(streams, "_serving", lambda: False)
    assert b"".join(reader.get(LOG, _of(site, follow="true"))).decode() == f"[gpu-01: {note}]\n***\nout "
    vm = Vm(manager, site.job.token.value)
    assert vm.log(str(site.job.pk)) == (0, "***\nout ", f"gpu-01: {note}\n")


def test_what_hinders_is_said(
    manager: Server, connect: Connect, reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(manager, connect, "gpu-01")

    def problem() -> Any:
        return read(reader, site.job)[0]["problem"]

    assert problem() == "NOT_KEPT"
    site.write("gpu-01", b"text\n")
    monkeypatch.setattr(log_relay, "MOST_OF_NODE", 0)
    assert problem() == "BUSY"
    monkeypatch.undo()
    monkeypatch.setattr(broker, "WITHIN", 0.1)
    site.agents["gpu-01"].silent = True
    assert problem() == "NO_ANSWER"
    monkeypatch.setattr(broker, "CHANNEL", "moreh:nobody")
    assert problem() == "NO_SERVER"


def test_an_old_agent_is_named_as_such(manager: Server, connect: Connect, reader: APIClient) -> None:
    monkey = WritingAgent.keeps_logs
    WritingAgent.keeps_logs = False
    try:
        site = Site(manager, connect, "gpu-01")
    finally:
        WritingAgent.keeps_logs = monkey
    assert [card["problem"] for card in read(reader, site.job)] == ["OLD_AGENT"]


def test_an_agent_answers_only_what_it_was_asked_and_of_its_own_workers(
    manager: Server, connect: Connect, reader: APIClient
) -> None:
    site = Site(manager, connect, "gpu-01", "gpu-02")
    other, victim = site.agents["gpu-02"], site.workers["gpu-01"]
    site.agents["gpu-01"].silent = True
    site.write("gpu-02", b"own\n")
    other.send_message(log_tail=pb.LogTail(worker_id=victim.pk, data=b"forged\n"))
    own = site.workers["gpu-02"]
    other.send_message(log_tail=pb.LogTail(worker_id=own.pk, data=b"own\n"))
    make.wait_for(WorkerTail.objects.exists)
    assert list(WorkerTail.objects.values_list("worker", "text")) == [(own.pk, "own\n")]
    relay = manager.manager.agents.logs
    relay._open["x"] = log_relay.Asked(victim.backend_id, "moreh:log:test", 0, time.monotonic() + 9)
    other.send_message(log_piece=pb.LogPiece(request_id="x", data=b"forged\n"))
    other.send_message(log_piece=pb.LogPiece(request_id="never asked", data=b"forged\n"))
    assert [card["text"] for card in read(reader, site.job, node="gpu-02")] == ["own\n"]
    assert "x" in relay._open


REFUSALS: dict[str, tuple[dict[str, Any], tuple[int, str, list[str]]]] = {
    "no job": ({}, (400, "INVALID_PARAMETER", ["job"])),
    "an unknown job": ({"job": 99}, (404, "NOT_FOUND", ["job"])),
    "a node that is not of the job": ({"job": 0, "node": "else"}, (404, "NOT_FOUND", ["node"])),
    "an offset of no node": ({"job": 0, "offset": 3}, (400, "INVALID_PARAMETER", ["node"])),
    "a tail with an offset": ({"job": 0, "offset": 3, "tail": 3}, (400, "INVALID_PARAMETER", ["tail"])),
    "a piece that is too large": ({"job": 0, "limit": 30_721}, (400, "INVALID_PARAMETER", ["limit"])),
    "the whole, but only a part": ({"job": 0, "whole": "true", "tail": 3}, (400, "INVALID_PARAMETER", ["whole"])),
    "a negative offset": ({"job": 0, "node": "n", "offset": -1}, (400, "INVALID_PARAMETER", ["offset"])),
}


@pytest.mark.django_db
@pytest.mark.parametrize("case", REFUSALS)
def test_a_wrong_question_is_refused(case: str) -> None:
    params, refusal = REFUSALS[case]
    job = make.job()
    answer = client().get(LOG, {**params, **({"job": job.pk} if params.get("job") == 0 else {})})
    assert refused(answer) == refusal


@pytest.mark.django_db
def test_a_job_that_never_had_a_worker_has_no_output() -> None:
    assert client().get(LOG, {"job": make.job().pk}).json() == []
    assert APIClient().get(LOG, {"job": 1}).status_code == 401


@pytest.mark.django_db
def test_last_outputs_are_kept_for_some_time_and_in_some_number(settings: Any) -> None:
    node = make.ready_backend(4)
    jobs = [make.running_job(node) for _ in range(4)]
    workers = [Worker.objects.get(job=job).pk for job in jobs]
    store_tails([Tail(node.pk, worker, 0, b"text\n", running=True) for worker in workers])
    store_tails([Tail(node.pk, workers[0], 0, b"other\n", running=True)])
    assert WorkerTail.objects.get(pk=workers[0]).text == "other\n"
    ages = {workers[0]: 73, workers[1]: 3, workers[2]: 2, workers[3]: 1}
    for worker, hours in ages.items():
        WorkerTail.objects.filter(pk=worker).update(at=db_now() - timedelta(hours=hours))
    settings.MOREH_LOG_TAILS = 2
    assert delete_old_tails() == 2
    assert sorted(WorkerTail.objects.values_list("pk", flat=True)) == sorted(workers[2:])
    assert delete_old_tails() == 0


class Vm:
    """A VM with a token, which calls moreh-smi."""

    def __init__(self, manager: Server, token: str) -> None:
        self._env = {"MOREH_SERVER": manager.address, "MOREH_TOKEN": token}

    def log(self, *arguments: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(smi, ["log", *arguments], env=self._env)
        return done.exit_code, done.stdout, done.stderr


def test_a_vm_reads_and_follows_its_own_jobs_only(
    manager: Server, connect: Connect, reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(manager, connect, "gpu-01", "gpu-02")
    number = str(site.job.pk)
    site.write("gpu-01", f"one\ntwo\nuse {SECRET}\n".encode())
    site.write("gpu-02", b"ended\n", running=False)
    own, stranger = Vm(manager, site.job.token.value), Vm(manager, make.token().value)
    assert own.log(number, "-n", "2") == (0, "==> gpu-01 <==\ntwo\nuse ***\n==> gpu-02 <==\nended\n", "")
    there, nowhere = stranger.log(number), stranger.log("999999")
    assert there == (1, "", "There is no such object. (NOT_FOUND)\n")
    assert nowhere == there
    assert Vm(manager, "no token of ours").log(number)[0] == 1

    monkeypatch.setattr("clients.smi.log.PAUSE", 0.05)
    one = site.workers["gpu-01"].pk
    asked = len(site.agents["gpu-01"].asked)

    def go_on() -> None:
        make.wait_for(lambda: len(site.agents["gpu-01"].asked) > asked + 2)
        site.write("gpu-01", site.agents["gpu-01"].outputs[one] + b"the end", running=False)

    thread = Thread(target=go_on)
    thread.start()
    followed = own.log(number, "-f", "-n", "1")
    thread.join()
    assert followed == (0, "==> gpu-01 <==\nuse ***\n==> gpu-02 <==\nended\n==> gpu-01 <==\nthe end", "")


def test_calls_that_wait_for_agents_are_few(manager: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(manager, connect, "gpu-01")
    monkeypatch.setattr(broker, "WITHIN", 0.3)
    site.agents["gpu-01"].silent = True
    stub, secret = JobsStub(connect(manager)), bearer(site.job.token.value)
    calls = [stub.ReadLog.future(jobs_pb2.ReadLogRequest(job_id=site.job.pk), metadata=secret) for _ in range(3)]
    codes = sorted(call.code().name for call in calls)
    assert codes == ["OK", "OK", "RESOURCE_EXHAUSTED"]
    [log] = calls[0].result().workers
    assert (log.problem, log.running, log.text) == ("Its node does not answer.", True, "")
