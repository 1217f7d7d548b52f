"""A node's devices, seen through whichever tool the node has."""

from clients.agent.devices.fake import FakeDevices
from clients.agent.devices.find import find_devices
from clients.agent.devices.reading import Devices, DevicesUnreadable, Reading
from clients.agent.devices.tools import ToolDevices

__all__ = ["Devices", "DevicesUnreadable", "FakeDevices", "Reading", "ToolDevices", "find_devices"]
