"""States of jobs and workers with their transitions, and other closed lists."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.transitions import Transitions


class JobStatus(models.TextChoices):
    """The status of a job. SUBMITTED: it has devices, and its workers are starting."""

    WAITING = "WAITING", _("waiting")
    SUBMITTED = "SUBMITTED", _("submitted")
    RUNNING = "RUNNING", _("running")
    COMPLETED = "COMPLETED", _("completed")
    CANCELED = "CANCELED", _("canceled")
    FAILED = "FAILED", _("failed")


J = JobStatus
JOB_TRANSITIONS = Transitions(
    {
        J.WAITING: {J.SUBMITTED, J.COMPLETED, J.CANCELED, J.FAILED},
        J.SUBMITTED: {J.RUNNING, J.WAITING, J.COMPLETED, J.CANCELED, J.FAILED},
        J.RUNNING: {J.WAITING, J.COMPLETED, J.CANCELED, J.FAILED},
        J.COMPLETED: set(),
        J.CANCELED: set(),
        J.FAILED: set(),
    }
)
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
    """The state of a worker. GONE: its agent no longer has it."""

    STARTING = "STARTING", _("starting")
    RUNNING = "RUNNING", _("running")
    STOPPING = "STOPPING", _("stopping")
    GONE = "GONE", _("gone")


W = WorkerState
WORKER_TRANSITIONS = Transitions(
    {
        W.STARTING: {W.RUNNING, W.STOPPING},
        W.RUNNING: {W.STOPPING},
        W.STOPPING: {W.GONE},
        W.GONE: set(),
    }
)


class Availability(models.TextChoices):
    """Whether a node or a device is in use, available for jobs, or neither; see `queries.availability`."""

    IN_USE = "in-use", _("in use")
    AVAILABLE = "available", _("available")
    UNAVAILABLE = "unavailable", _("unavailable")


class LogProblem(models.TextChoices):
    """Why the output of a worker cannot be read from its node now."""

    NODE_AWAY = "NODE_AWAY", _("Its node is not connected.")
    NO_ANSWER = "NO_ANSWER", _("Its node does not answer.")
    OLD_AGENT = "OLD_AGENT", _("The agent of its node is too old to send output.")
    NOT_KEPT = "NOT_KEPT", _("Its node keeps no output of it, or no longer.")
    BUSY = "BUSY", _("Too much output is being read now; try again.")
    NO_SERVER = "NO_SERVER", _("The server of the agents, or the broker, does not answer.")
