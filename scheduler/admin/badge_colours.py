"""The badge colours of the states of jobs and workers in the admin."""

from collections.abc import Mapping

from scheduler.choices import JobStatus, WorkerState

JOB: Mapping[str, str] = {
    JobStatus.WAITING: "warning",
    JobStatus.SUBMITTED: "info",
    JobStatus.RUNNING: "success",
    JobStatus.COMPLETED: "",
    JobStatus.CANCELED: "",
    JobStatus.FAILED: "danger",
}
WORKER: Mapping[str, str] = {
    WorkerState.STARTING: "info",
    WorkerState.RUNNING: "success",
    WorkerState.STOPPING: "warning",
    WorkerState.GONE: "",
}
