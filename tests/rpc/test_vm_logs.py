"""Output of workers for the VMs of their customer."""

from threading import Thread

import pytest

from protocol.v1 import jobs_pb2
from protocol.v1.jobs_pb2_grpc import JobsStub
from scheduler.logs import broker
from tests import make
from tests.rpc.log_site import SECRET, Connect, Site, Vm
from tests.rpc.servers import Server, bearer


def test_a_vm_reads_and_follows_its_own_jobs_only(
    manager: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
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
