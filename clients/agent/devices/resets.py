"""How a device is reset: by the tool of its vendor, one device at a time."""

from collections.abc import Callable, Mapping

from clients.agent.command import output_of
from clients.agent.errors import CommandFailed, WorkerError
from protocol.v1 import agents_pb2 as pb

TIMEOUT = 120.0  # seconds; a reset takes some seconds, and trains links anew

# NVIDIA's numbers change when a card falls off the bus; its PCI address does not.
RESETS: Mapping[str, Callable[[pb.DeviceInfo], tuple[str, ...]]] = {
    "nvidia-smi": lambda device: ("nvidia-smi", "--gpu-reset", "-i", device.pci_address or str(device.index)),
    "amd-smi": lambda device: ("amd-smi", "reset", "--gpureset", "-g", str(device.index)),
    "rocm-smi": lambda device: ("rocm-smi", "-d", str(device.index), "--gpureset"),
}


async def reset_by(tool: str, device: pb.DeviceInfo) -> None:
    """Reset a device by a vendor's tool. Raises WorkerError."""
    try:
        await output_of(RESETS[tool](device), TIMEOUT)
    except CommandFailed as error:
        raise WorkerError(str(error)) from error
