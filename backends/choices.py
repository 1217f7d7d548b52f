from django.db import models
from django.utils.translation import gettext_lazy as _

DEFAULT_GROUP = 0


class SchedulingPolicy(models.TextChoices):
    """How a group's queue is served; the values are those of scheduler.policy.snapshot.Policy."""

    STRICT = "strict", _("strict: the head of the queue blocks those behind it")
    BACKFILL = "backfill", _("backfill: jobs behind may pass when they do not delay a guarded head")
    FAIR = "fair", _("fair: within a priority, who used least lately goes first")


class BackendType(models.TextChoices):
    UCX = "UCX", "UCX"


class BackendStatus(models.TextChoices):
    ACTIVE = "ACTIVE", _("active")
    SHUTDOWN = "SHUTDOWN", _("shut down")


class Why(models.TextChoices):
    """Why a backend or a device is SHUTDOWN; only an operator undoes OPERATOR."""

    NONE = "", "-"
    NEW = "NEW", _("its agent has not said hello yet")
    OPERATOR = "OPERATOR", _("an operator shut it down")
    NODE_LOST = "NODE_LOST", _("its agent went silent")
    UNHEALTHY = "UNHEALTHY", _("its health check failed")
    POWERED_OFF = "POWERED_OFF", _("it was powered off")
    NOT_CLEANED = "NOT_CLEANED", _("its agent did not clean it in time")
    VANISHED = "VANISHED", _("its agent no longer sees it")


HEALED_BY_HELLO = (Why.NEW, Why.NODE_LOST, Why.POWERED_OFF, Why.VANISHED, Why.NOT_CLEANED)


class DeviceStatus(models.TextChoices):
    SHUTDOWN = "SHUTDOWN", _("shut down")
    IDLE = "IDLE", _("idle")
    PREPARING = "PREPARING", _("preparing")
    PROCESSING = "PROCESSING", _("processing")
    CLEANING = "CLEANING", _("cleaning")
    BUSY = "BUSY", _("kept out")


S = DeviceStatus
EDGES: dict[DeviceStatus, frozenset[DeviceStatus]] = {
    S.SHUTDOWN: frozenset({S.IDLE, S.CLEANING, S.BUSY}),
    S.IDLE: frozenset({S.PREPARING, S.SHUTDOWN, S.BUSY}),
    S.PREPARING: frozenset({S.PROCESSING, S.CLEANING, S.SHUTDOWN}),
    S.PROCESSING: frozenset({S.CLEANING, S.SHUTDOWN}),
    S.CLEANING: frozenset({S.IDLE, S.BUSY, S.SHUTDOWN}),
    S.BUSY: frozenset({S.IDLE, S.SHUTDOWN}),
}
HELD = (S.PREPARING, S.PROCESSING)  # only these may have a live allocation


class PowerStatus(models.TextChoices):
    ON = "on", _("on")
    OFF = "off", _("off")
    UNKNOWN = "unknown", _("unknown")


class PowerVerb(models.TextChoices):
    STATUS = "status", _("look")
    ON = "on", _("power on")
    OFF = "off", _("power off")
    SOFT = "soft", _("soft power off")
    CYCLE = "cycle", _("power cycle")
    RESET = "reset", _("reset")
    RECONNECT = "reconnect", _("reconnect")


DISRUPTIVE = (PowerVerb.OFF, PowerVerb.SOFT, PowerVerb.CYCLE, PowerVerb.RESET)


class ActionState(models.TextChoices):
    """QUEUED → RUNNING (→ SENT, only where a repetition would hurt) → one of the three ends."""

    QUEUED = "QUEUED", _("queued")
    RUNNING = "RUNNING", _("running")
    SENT = "SENT", _("sent, not confirmed yet")
    SUCCEEDED = "SUCCEEDED", _("succeeded")
    FAILED = "FAILED", _("failed")
    UNKNOWN = "UNKNOWN", _("outcome unknown")


A = ActionState
ACTION_EDGES: dict[ActionState, frozenset[ActionState]] = {
    A.QUEUED: frozenset({A.RUNNING}),
    A.RUNNING: frozenset({A.RUNNING, A.SENT, A.SUCCEEDED, A.FAILED}),
    A.SENT: frozenset({A.SUCCEEDED, A.UNKNOWN}),
    A.SUCCEEDED: frozenset(),
    A.FAILED: frozenset(),
    A.UNKNOWN: frozenset(),
}
UNDER_WAY = (A.QUEUED, A.RUNNING, A.SENT)


class OrderVerb(models.TextChoices):
    START = "START", _("start worker")
    STOP = "STOP", _("stop worker")
    CLEAN = "CLEAN", _("clean devices")
    CHECK = "CHECK", _("run health check")


class OrderState(models.TextChoices):
    PENDING = "PENDING", _("pending")
    ACKED = "ACKED", _("acknowledged")
    DONE = "DONE", _("done")
    FAILED = "FAILED", _("failed")
    WITHDRAWN = "WITHDRAWN", _("withdrawn")


OPEN_ORDERS = (OrderState.PENDING, OrderState.ACKED)


# What people are told, in their language, by the code of a power failure (`backends.power.driver`).
POWER_CAUSES = {
    "WRONG_LOGIN": _("The BMC refused the user or the password."),
    "LOGIN_LOCKED": _("Not tried: one more wrong login could lock the account on the BMC."),
    "UNSUPPORTED": _("The BMC cannot do this."),
    "WEAK_AUTH": _("Refused: the BMC offers no safe way to log in."),
    "ADDRESS_NOT_ALLOWED": _("The address of the BMC is not in the allowed networks."),
    "BMC_SILENT": _("The BMC does not answer."),
    "BMC_UNREACHABLE": _("The BMC cannot be reached over the network."),
    "BMC_GARBAGE": _("The BMC answered something that is no IPMI."),
    "SESSIONS_FULL": _("The BMC has no session left."),
    "BMC_BUSY": _("The BMC answered that it cannot do it now."),
    "DRIVER_LOST": _("The power driver died or was stopped at its deadline."),
    "IPMI_ERROR": _("The node did not reach the wished state in time."),
    "UNKNOWN": _("It was sent, but the BMC did not confirm it."),
}
