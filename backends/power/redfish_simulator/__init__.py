"""Simulated BMCs that speak real Redfish over HTTPS and record the commands they execute: for tests and the demo."""

from backends.power.redfish_simulator.bmc import RedfishBmc
from backends.power.redfish_simulator.certificate import ServerCertificate
from backends.power.redfish_simulator.faults import RedfishFaults
from backends.power.redfish_simulator.fleet import start_redfish_bmc, start_redfish_fleet

__all__ = ["RedfishBmc", "RedfishFaults", "ServerCertificate", "start_redfish_bmc", "start_redfish_fleet"]
