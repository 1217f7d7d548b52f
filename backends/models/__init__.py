from backends.models.agents import Agent, EnrolmentKey, ManagerPresence, Order
from backends.models.nodes import Backend, BackendGroup, Device, FormerModel, Telemetry
from backends.models.power import Bmc, PowerAction, PowerAttempt

__all__ = [
    "Agent",
    "Backend",
    "BackendGroup",
    "Bmc",
    "Device",
    "EnrolmentKey",
    "FormerModel",
    "ManagerPresence",
    "Order",
    "PowerAction",
    "PowerAttempt",
    "Telemetry",
]
