import shutil

from clients.agent.devices import parse
from clients.agent.devices.reading import Devices
from clients.agent.devices.tools import AMD_SMI, NVIDIA_SMI, ROCM_SMI, ToolDevices

TOOLS = (("amd-smi", AMD_SMI, parse.amd_smi), ("rocm-smi", ROCM_SMI, parse.rocm_smi))


def find_devices() -> Devices | None:
    """Choose the first tool that this node has: amd-smi, rocm-smi, nvidia-smi (NVML's own); None without any."""
    for name, commands, parser in (*TOOLS, ("nvidia-smi", NVIDIA_SMI, parse.nvidia_smi)):
        if shutil.which(name):
            return ToolDevices(commands, parser)
    return None
