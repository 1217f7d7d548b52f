"""Tables of machines, by noun."""

from backends.models.agents import Agent, EnrolmentKey, ManagerPresence, Order
from backends.models.groups import BackendGroup
from backends.models.health import Card, Finding, FormerCard
from backends.models.heat import HotDevice
from backends.models.inventory import BackendGroupFieldValue, NodeFieldValue
from backends.models.maintenance import MaintenanceNode, MaintenanceWindow
from backends.models.monitoring import BmcLogEntry, Sensor
from backends.models.nodes import Backend, Device, FormerModel, Telemetry
from backends.models.power import Bmc, PowerAction, PowerAttempt

__all__ = [
    "Agent",
    "Backend",
    "BackendGroup",
    "BackendGroupFieldValue",
    "Bmc",
    "BmcLogEntry",
    "Card",
    "Device",
    "EnrolmentKey",
    "Finding",
    "FormerCard",
    "FormerModel",
    "HotDevice",
    "MaintenanceNode",
    "MaintenanceWindow",
    "ManagerPresence",
    "NodeFieldValue",
    "Order",
    "PowerAction",
    "PowerAttempt",
    "Sensor",
    "Telemetry",
]
