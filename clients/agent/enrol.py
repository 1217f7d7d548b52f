from collections.abc import Sequence
from pathlib import Path

from clients.agent.devices import DeviceReader
from clients.agent.journal import Journal
from clients.channel import Server
from clients.secrets_on_disk import keep_secret
from protocol.v1 import agents_pb2 as pb
from protocol.v1.agents_pb2_grpc import AgentsStub

TIMEOUT = 30.0  # seconds


async def enrol(
    server: Server, enrolment_key: str, key_file: Path, *, name: str, addresses: Sequence[str], devices: DeviceReader
) -> str:
    """Turn a one-time key into this node's own key, and keep that. Raises AioRpcError, OSError, DevicesUnreadable."""
    journal = Journal(key_file.parent)
    journal.close()
    request = pb.EnrolRequest(
        enrolment_key=enrolment_key,
        name=name,
        addresses=addresses,
        devices=[reading.info() for reading in await devices.read(set()) if reading.measured],
        instance_id=journal.instance_id,
    )
    async with server.connect() as channel:
        answer = await AgentsStub(channel).Enrol(request, timeout=TIMEOUT)
    keep_secret(key_file, answer.node_key)
    return str(answer.node_key)
