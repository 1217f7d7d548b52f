import shutil

from clients.agent.devices import nvidia, parse
from clients.agent.devices.nvml import NvmlDevices, load_nvml
from clients.agent.devices.readings import DeviceReader
from clients.agent.devices.tools import AMD_SMI, NVIDIA_SMI, NVIDIA_SMI_HEALTH, ROCM_SMI, FirstTool, ToolDevices

TOOLS = (
    ("amd-smi", AMD_SMI, parse.amd_smi),
    ("rocm-smi", ROCM_SMI, parse.rocm_smi),
    ("nvidia-smi", NVIDIA_SMI_HEALTH, nvidia.nvidia_smi_with_health),
    ("nvidia-smi", NVIDIA_SMI, nvidia.nvidia_smi),
)


def find_devices() -> DeviceReader | None:
    """Return the devices of this node, read by the first tool that shows any; None when no tool is installed.

    NVIDIA's library is asked before the tools, because it tells more.
    """
    tools: list[DeviceReader] = [
        ToolDevices(commands, parser) for name, commands, parser in TOOLS if shutil.which(name)
    ]
    if (nvml := load_nvml()) is not None:
        tools.insert(0, NvmlDevices(nvml))
    return FirstTool(tools) if tools else None
