"""Simulated BMCs that speak the real protocol and record the commands they execute: for tests and the demo."""

from backends.power.simulator.bmc import Faults, OnPower, SimulatedBmc
from backends.power.simulator.chassis import ExecutedCommand
from backends.power.simulator.fleet import start_bmc, start_fleet

__all__ = ["ExecutedCommand", "Faults", "OnPower", "SimulatedBmc", "start_bmc", "start_fleet"]
