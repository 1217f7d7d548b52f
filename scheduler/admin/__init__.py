"""Jobs, allocations, workers and queues in the admin."""

from scheduler.admin import allocations, jobs, workers

__all__ = ["allocations", "jobs", "workers"]
