"""The reference runtime client."""

from clients.run.client import JobClient, JobEnded, JobRefused, Request

__all__ = ["JobClient", "JobEnded", "JobRefused", "Request"]
