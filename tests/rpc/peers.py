"""The simplest client of a VM and the simplest agent of a node that the protocol allows."""

from collections.abc import Mapping, Sequence
from uuid import uuid4

import grpc

from protocol.v1 import agents_pb2, jobs_pb2
from protocol.v1.agents_pb2_grpc import AgentsStub
from protocol.v1.jobs_pb2_grpc import JobsStub
from tests.rpc.servers import StreamClient


class Client(StreamClient[jobs_pb2.JobUpdate]):
    """The stream of a client in a VM about one job."""

    def __init__(self, channel: grpc.Channel, token: str) -> None:
        super().__init__(JobsStub(channel).Run, token)

    def open(self, request_id: str | None = None, **fields: int | str) -> None:
        opened = jobs_pb2.Open(request_id=request_id or str(uuid4()), **fields)  # type: ignore[arg-type]
        self.send(jobs_pb2.ClientMessage(open=opened))

    def resume(self, job_id: int, key: str) -> None:
        self.send(jobs_pb2.ClientMessage(resume=jobs_pb2.Resume(job_id=job_id, resume_key=key)))

    def finish(self, exit_code: int = 0) -> None:
        self.send(jobs_pb2.ClientMessage(finished=jobs_pb2.Finished(exit_code=exit_code)))

    def cancel(self) -> None:
        self.send(jobs_pb2.ClientMessage(cancel=jobs_pb2.Cancel()))

    def beat(self, **use: float) -> None:
        device = jobs_pb2.DeviceUse(host="h", **use)  # type: ignore[arg-type]
        self.send(jobs_pb2.ClientMessage(heartbeat=jobs_pb2.Heartbeat(devices=[device], pid=77)))

    def receive_until(self, state: str) -> jobs_pb2.JobUpdate:
        while True:
            update = self.receive()
            if update.HasField(state):  # type: ignore[arg-type]
                return update


class Agent(StreamClient[agents_pb2.ManagerMessage]):
    """The stream of a node's agent; pass `sequence` on to continue it on another stream."""

    keeps_logs = False

    def __init__(
        self, channel: grpc.Channel, key: str, *, instance: str = "one", boot: int = 1, sequence: int = 0
    ) -> None:
        super().__init__(AgentsStub(channel).Connect, key)
        self.instance, self.boot, self.sequence = instance, boot, sequence

    def send_message(self, **message: object) -> None:
        self.sequence += 1
        self.send(agents_pb2.AgentMessage(boot=self.boot, sequence=self.sequence, **message))  # type: ignore[arg-type]

    def hello(self, devices: int = 8, running: Mapping[int, Sequence[int]] | None = None) -> agents_pb2.Welcome:
        self.send_hello(devices, running)
        return self.receive().welcome

    def send_hello(self, devices: int = 8, running: Mapping[int, Sequence[int]] | None = None) -> None:
        infos = [agents_pb2.DeviceInfo(index=i, model="MI250", memory_mib=65_536) for i in range(devices)]
        workers = [
            agents_pb2.RunningWorker(worker_id=pk, device_indexes=indexes) for pk, indexes in (running or {}).items()
        ]
        hello = agents_pb2.Hello(
            instance_id=self.instance,
            host_name="host",
            agent_version="1.0",
            devices=infos,
            workers=workers,
            keeps_logs=self.keeps_logs,
        )
        self.send_message(hello=hello)

    def order(self, verb: str) -> agents_pb2.Order:
        """Receive the next order and return it; it must have this verb."""
        order = self.receive().order
        assert order.WhichOneof("verb") == verb
        return order

    def carry_out(self, verb: str, *, ok: bool = True, error: str = "", address: str = "") -> agents_pb2.Order:
        order = self.order(verb)
        self.send_message(ack=agents_pb2.Ack(order_id=order.order_id))
        self.result(order.order_id, ok=ok, error=error, address=address)
        return order

    def result(self, order_id: str, *, ok: bool = True, error: str = "", address: str = "") -> None:
        self.send_message(result=agents_pb2.Result(order_id=order_id, ok=ok, error=error, address=address))

    def report(self, *devices: agents_pb2.DeviceTelemetry, workers: Sequence[int] = (), cpu: float = 10.0) -> None:
        self.send_message(report=agents_pb2.Report(devices=devices, worker_ids=workers, cpu_percent=cpu))


class WritingAgent(Agent):
    """An agent that answers questions about output by itself, of `outputs` without their first `gone` bytes."""

    keeps_logs = True

    def __init__(self, channel: grpc.Channel, key: str) -> None:
        self.outputs: dict[int, bytes] = {}
        self.gone: dict[int, int] = {}
        self.running: set[int] = set()
        self.silent = False
        self.asked: list[agents_pb2.ReadLog] = []
        super().__init__(channel, key)

    def arrived(self, message: agents_pb2.ManagerMessage) -> bool:
        if not message.HasField("read_log"):
            return True
        self.asked.append(message.read_log)
        if not self.silent:
            self.send_message(log_piece=self._piece(message.read_log))
        return False

    def _piece(self, asked: agents_pb2.ReadLog) -> agents_pb2.LogPiece:
        piece, output = agents_pb2.LogPiece(request_id=asked.request_id), self.outputs.get(asked.worker_id)
        if output is None:
            piece.problem = agents_pb2.LogPiece.NOT_KEPT
            return piece
        first, end = self.gone.get(asked.worker_id, 0), len(output)
        start = min(max(end + asked.offset if asked.offset < 0 else asked.offset, first), end)
        piece.offset, piece.data, piece.first, piece.end = start, output[start : start + asked.limit], first, end
        piece.running = asked.worker_id in self.running
        return piece
