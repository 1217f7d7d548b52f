"""The reference runtime client."""

from clients.run.client import DeviceRequest, JobClient
from clients.run.errors import JobEnded, JobRefused

__all__ = ["DeviceRequest", "JobClient", "JobEnded", "JobRefused"]
