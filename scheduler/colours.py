"""The CSS class of each job status in the console, as listed in docs/console/style.md."""

from collections.abc import Mapping

from scheduler.choices import JobStatus

JOB: Mapping[str, str] = {
    JobStatus.WAITING: "mc-idle",
    JobStatus.SUBMITTED: "mc-moving",
    JobStatus.RUNNING: "mc-used",
    JobStatus.COMPLETED: "mc-used",
    JobStatus.CANCELED: "mc-idle",
    JobStatus.FAILED: "mc-out",
}
RESERVED = "mc-kept"
