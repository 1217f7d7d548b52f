"""What workers carry out: power actions, readings of power, sensors and logs, and probes."""

from backends.work.actions import drive
from backends.work.drivers import pool
from backends.work.monitoring import monitor_bmcs
from backends.work.sweep import probe_bmcs, sweep_power

__all__ = ["drive", "monitor_bmcs", "pool", "probe_bmcs", "sweep_power"]
