"""States of nodes, devices, power actions and orders, and their allowed transitions."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.transitions import Transitions

DEFAULT_GROUP = 0
MAX_DEVICES = 32  # the devices of a node fit one bit mask of 64 bits
MAX_UNIT = 200  # of a rack; the highest racks that are sold have fewer than 100


class SchedulingPolicy(models.TextChoices):
    """How a group's queue is served; the values are those of scheduler.policy.snapshot.Policy."""

    STRICT = "strict", _("strict: the head of the queue blocks those behind it")
    BACKFILL = "backfill", _("backfill: jobs behind may pass when they do not delay a guarded head")
    FAIR = "fair", _("fair: within a priority, who used least lately goes first")


class BackendType(models.TextChoices):
    """How clients reach the devices of a node."""

    UCX = "UCX", "UCX"


class BackendStatus(models.TextChoices):
    """Whether new jobs are placed on a node."""

    ACTIVE = "ACTIVE", _("active")
    SHUTDOWN = "SHUTDOWN", _("shut down")


class ShutdownReason(models.TextChoices):
    """Why a backend or a device is SHUTDOWN; only an operator undoes OPERATOR."""

    NONE = "", "-"
    NEW = "NEW", _("its agent has not said hello yet")
    OPERATOR = "OPERATOR", _("an operator shut it down")
    NODE_LOST = "NODE_LOST", _("its agent went silent")
    UNHEALTHY = "UNHEALTHY", _("its health check failed")
    POWERED_OFF = "POWERED_OFF", _("it was powered off")
    NOT_CLEANED = "NOT_CLEANED", _("its agent did not clean it in time")
    VANISHED = "VANISHED", _("its agent no longer sees it")
    UNKNOWN_WORKER = "UNKNOWN_WORKER", _("a worker runs on it that the records do not know")
    DEVICE_FAILED = "DEVICE_FAILED", _("its health verdict is failed")
    REPAIR = "REPAIR", _("it is under repair")


HEALED_BY_HELLO = (  # reasons that end when the agent says hello
    ShutdownReason.NEW,
    ShutdownReason.NODE_LOST,
    ShutdownReason.POWERED_OFF,
    ShutdownReason.VANISHED,
    ShutdownReason.NOT_CLEANED,
    ShutdownReason.UNKNOWN_WORKER,
)


class DeviceStatus(models.TextChoices):
    """What a device is doing."""

    SHUTDOWN = "SHUTDOWN", _("shut down")
    IDLE = "IDLE", _("idle")
    PREPARING = "PREPARING", _("preparing")
    PROCESSING = "PROCESSING", _("processing")
    CLEANING = "CLEANING", _("cleaning")
    BUSY = "BUSY", _("kept out")


S = DeviceStatus
DEVICE_TRANSITIONS = Transitions(
    {
        S.SHUTDOWN: {S.IDLE, S.CLEANING, S.BUSY},
        S.IDLE: {S.PREPARING, S.SHUTDOWN, S.BUSY},
        S.PREPARING: {S.PROCESSING, S.CLEANING, S.SHUTDOWN, S.BUSY},  # BUSY: a reservation without a job
        S.PROCESSING: {S.CLEANING, S.SHUTDOWN},
        S.CLEANING: {S.IDLE, S.BUSY, S.SHUTDOWN},
        S.BUSY: {S.IDLE, S.SHUTDOWN},
    },
    repairs={
        S.SHUTDOWN: {S.PREPARING},
        S.BUSY: {S.PREPARING},
    },  # out of service, but held: it drains
)
HELD = (S.PREPARING, S.PROCESSING)  # a job's devices; a reservation holds its devices in any status


class Verdict(models.TextChoices):
    """The health of a device. SUSPECT: used and watched. FAILED: out of service until validated or cleared."""

    HEALTHY = "HEALTHY", _("healthy")
    SUSPECT = "SUSPECT", _("suspect")
    FAILED = "FAILED", pgettext_lazy("health of a device", "failed")


class PowerStatus(models.TextChoices):
    """What the BMC of a node last reported."""

    ON = "on", _("on")
    OFF = "off", _("off")
    UNKNOWN = "unknown", _("unknown")


class PowerVerb(models.TextChoices):
    """What a power action does."""

    STATUS = "status", _("look")
    ON = "on", _("power on")
    OFF = "off", _("power off")
    SOFT = "soft", _("soft power off")
    CYCLE = "cycle", _("power cycle")
    RESET = "reset", _("reset")
    RECONNECT = "reconnect", _("reconnect")
    READ = "read", _("read sensors and log")
    CLEAR_LOG = "clear_log", _("clear event log")


DISRUPTIVE = (PowerVerb.OFF, PowerVerb.SOFT, PowerVerb.CYCLE, PowerVerb.RESET)
POWERS_ON = (PowerVerb.ON, PowerVerb.CYCLE)  # what a group's limit of power-ons counts
MONITORING = (PowerVerb.READ, PowerVerb.CLEAR_LOG)  # these change no power


class ActionState(models.TextChoices):
    """(DRAINING →) QUEUED → RUNNING (→ SENT, only for commands that must not be repeated) → one of the ends."""

    DRAINING = "DRAINING", _("waits for the drain")
    QUEUED = "QUEUED", _("queued")
    RUNNING = "RUNNING", _("running")
    SENT = "SENT", _("sent, not confirmed yet")
    SUCCEEDED = "SUCCEEDED", _("succeeded")
    FAILED = "FAILED", _("failed")
    UNKNOWN = "UNKNOWN", _("outcome unknown")
    CANCELED = "CANCELED", _("canceled")


A = ActionState
ACTION_TRANSITIONS = Transitions(
    {
        A.DRAINING: {A.QUEUED, A.FAILED, A.CANCELED},  # FAILED: it was not empty in time
        A.QUEUED: {A.RUNNING, A.CANCELED},
        A.RUNNING: {A.SENT, A.SUCCEEDED, A.FAILED, A.UNKNOWN},  # UNKNOWN: what was sent cannot be read
        A.SENT: {A.SUCCEEDED, A.FAILED, A.UNKNOWN},  # FAILED: the BMC refused it
        A.SUCCEEDED: set(),
        A.FAILED: set(),
        A.UNKNOWN: set(),
        A.CANCELED: set(),
    }
)
UNDER_WAY = (A.QUEUED, A.RUNNING, A.SENT)
NOT_OVER = (A.DRAINING, *UNDER_WAY)
CANCELABLE = (A.DRAINING, A.QUEUED)


class MaintenanceState(models.TextChoices):
    """The state of a maintenance window."""

    SCHEDULED = "SCHEDULED", _("scheduled")
    ACTIVE = "ACTIVE", _("active")
    OVER = "OVER", _("over")
    CANCELED = "CANCELED", _("canceled")


M = MaintenanceState
MAINTENANCE_TRANSITIONS = Transitions(
    {
        M.SCHEDULED: {M.ACTIVE, M.OVER, M.CANCELED},  # OVER: no process ran while it lasted
        M.ACTIVE: {M.OVER},
        M.OVER: set(),
        M.CANCELED: set(),
    }
)
OPEN_WINDOWS = (M.SCHEDULED, M.ACTIVE)


class SensorUnit(models.TextChoices):
    """What a sensor of a BMC measures; the values are those of backends.power.monitoring.SensorUnit."""

    CELSIUS = "celsius", "°C"
    VOLTS = "volts", "V"
    AMPERES = "amperes", "A"
    WATTS = "watts", "W"
    RPM = "rpm", _("rpm")
    PERCENT = "percent", "%"
    NONE = "", "-"


class SensorState(models.TextChoices):
    """How a BMC judges a sensor, or how bad an entry of its log is."""

    OK = "ok", _("ok")
    WARNING = "warning", _("warning")
    CRITICAL = "critical", _("critical")
    UNKNOWN = "unknown", _("unknown")


class OrderVerb(models.TextChoices):
    """What an agent is ordered to do."""

    START = "START", _("start worker")
    STOP = "STOP", _("stop worker")
    CLEAN = "CLEAN", _("clean devices")
    CHECK = "CHECK", _("run health check")
    RESET = "RESET", _("reset devices")
    REBOOT = "REBOOT", _("reboot node")


ONCE = (OrderVerb.RESET, OrderVerb.REBOOT)  # these are never carried out a second time
REPAIRING = (OrderVerb.CHECK, OrderVerb.RESET, OrderVerb.REBOOT)  # the apps above wait for the ends of these


class OrderState(models.TextChoices):
    """PENDING (→ ACKED) → one of the three ends."""

    PENDING = "PENDING", _("pending")
    ACKED = "ACKED", _("acknowledged")
    DONE = "DONE", _("done")
    FAILED = "FAILED", _("failed")
    WITHDRAWN = "WITHDRAWN", _("withdrawn")


Step = OrderState
ORDER_TRANSITIONS = Transitions(
    {
        Step.PENDING: {Step.ACKED, Step.DONE, Step.FAILED, Step.WITHDRAWN},
        Step.ACKED: {Step.DONE, Step.FAILED, Step.WITHDRAWN},
        Step.DONE: set(),
        Step.FAILED: set(),
        Step.WITHDRAWN: set(),
    }
)
OPEN_ORDERS = (OrderState.PENDING, OrderState.ACKED)


# The translated text for the code of each power error (`backends.power.errors`).
POWER_CAUSES = {
    "UNUSABLE_LOGIN": _("The user or the password is longer than a BMC can be sent."),
    "UNREADABLE_LOGIN": _("The stored user or password of the BMC cannot be decrypted. Set it anew."),
    "WRONG_LOGIN": _("The BMC refused the user or the password."),
    "LOGIN_LOCKED": _("Not tried: one more wrong login could lock the account on the BMC."),
    "UNSUPPORTED": _("The BMC cannot do this."),
    "WEAK_AUTH": _("Refused: the BMC offers no safe way to log in."),
    "ADDRESS_NOT_ALLOWED": _("The address of the BMC is not in the allowed networks."),
    "UNTRUSTED_CERTIFICATE": _("The BMC shows a certificate that is not trusted; nothing was sent."),
    "BMC_SILENT": _("The BMC does not answer."),
    "BMC_UNREACHABLE": _("The BMC cannot be reached over the network."),
    "BMC_GARBAGE": _("The BMC answered something that its protocol does not know."),
    "SESSIONS_FULL": _("The BMC has no session left."),
    "BMC_BUSY": _("The BMC answered that it cannot do it now."),
    "DRIVER_LOST": _("The power driver died or was stopped at its deadline."),
    "IPMI_ERROR": _("The node did not reach the wished state in time."),
    "UNKNOWN": _("It was sent, but the BMC did not confirm it."),
    "NOT_DRAINED": _("Jobs still held devices of the node at the end of the time for its drain."),
    "LOG_GROWS": _("The event log got new entries each time it was to be cleared."),
}
