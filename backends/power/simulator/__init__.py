"""Simulated BMCs on the real wire, with witness books: for tests, the demo and newcomers."""

from backends.power.simulator.bmc import Faults, OnPower, SimulatedBmc
from backends.power.simulator.chassis import Executed
from backends.power.simulator.fleet import start_bmc, start_fleet

__all__ = ["Executed", "Faults", "OnPower", "SimulatedBmc", "start_bmc", "start_fleet"]
