"""Jobs and what they hold in the admin."""

from scheduler.admin import allocations, jobs, workers

__all__ = ["allocations", "jobs", "workers"]
