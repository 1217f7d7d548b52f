"""The devices of a node, read with the tool that the node has."""

from clients.agent.devices.facts import Fact, Identity
from clients.agent.devices.fake import FakeDevices
from clients.agent.devices.find import find_devices
from clients.agent.devices.readings import DeviceReader, DeviceReading
from clients.agent.devices.tools import Command, ToolDevices
from clients.agent.errors import DevicesUnreadable

__all__ = [
    "Command",
    "DeviceReader",
    "DeviceReading",
    "DevicesUnreadable",
    "Fact",
    "FakeDevices",
    "Identity",
    "ToolDevices",
    "find_devices",
]
