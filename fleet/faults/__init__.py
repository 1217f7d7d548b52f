"""Faults of the simulated fleet: devices that fail as real ones do, and what repairs them."""

from fleet.faults.accidents import cause_faults
from fleet.faults.book import FaultBook
from fleet.faults.devices import SimulatedDevices
from fleet.faults.table import FAULTS, Fault, Mend

__all__ = ["FAULTS", "Fault", "FaultBook", "Mend", "SimulatedDevices", "cause_faults"]
