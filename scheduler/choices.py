from django.db import models
from django.utils.translation import gettext_lazy as _


class JobStatus(models.TextChoices):
    WAITING = "WAITING", _("waiting")
    SUBMITTED = "SUBMITTED", _("submitted")
    RUNNING = "RUNNING", _("running")
    COMPLETED = "COMPLETED", _("completed")
    CANCELED = "CANCELED", _("canceled")
    FAILED = "FAILED", _("failed")


J = JobStatus
EDGES: dict[JobStatus, frozenset[JobStatus]] = {
    J.WAITING: frozenset({J.SUBMITTED, J.RUNNING, J.COMPLETED, J.CANCELED, J.FAILED}),
    J.SUBMITTED: frozenset({J.RUNNING, J.WAITING, J.COMPLETED, J.CANCELED, J.FAILED}),
    J.RUNNING: frozenset({J.WAITING, J.COMPLETED, J.CANCELED, J.FAILED}),
    J.COMPLETED: frozenset(),
    J.CANCELED: frozenset(),
    J.FAILED: frozenset(),
}
HOLDING = (J.SUBMITTED, J.RUNNING)
LIVE = (J.WAITING, *HOLDING)
OVER = (J.COMPLETED, J.CANCELED, J.FAILED)


class Cause(models.TextChoices):
    """Why a job ended otherwise than completed."""

    NONE = "", "-"
    CLIENT_LOST = "CLIENT_LOST", _("client lost")
    NODE_LOST = "NODE_LOST", _("node lost")
    WORKER_ERROR = "WORKER_ERROR", _("worker error")
    TIME_LIMIT = "TIME_LIMIT", _("its time limit was over")
    PREPARATION_TIMED_OUT = "PREPARATION_TIMED_OUT", _("preparation timed out")
    POWERED_OFF = "POWERED_OFF", _("node powered off")
    EXIT_CODE = "EXIT_CODE", _("the program failed")
    BY_USER = "BY_USER", _("canceled by the user")
    BY_OPERATOR = "BY_OPERATOR", _("canceled by an operator")
    INCONSISTENT = "INCONSISTENT", _("its records did not agree")


class WorkerState(models.TextChoices):
    STARTING = "STARTING", _("starting")
    RUNNING = "RUNNING", _("running")
    STOPPING = "STOPPING", _("stopping")
    GONE = "GONE", _("gone")


class Use(models.TextChoices):
    """What a node or a device is good for now; each is in exactly one of these."""

    IN_USE = "in-use", _("in use")
    AVAILABLE = "available", _("available")
    UNAVAILABLE = "unavailable", _("unavailable")
