"""States of repairs and their steps, with their transitions, and other closed lists."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.transitions import Transitions


class RepairState(models.TextChoices):
    """The state of a repair. QUARANTINED: what to do next is decided, or waits for something (`WaitReason`)."""

    QUARANTINED = "QUARANTINED", _("quarantined")
    DRAINING = "DRAINING", _("draining")
    REMEDY = "REMEDY", _("remedy under way")
    VALIDATION = "VALIDATION", _("validation")
    NEEDS_HANDS = "NEEDS_HANDS", _("needs hands")
    TAKEN_OVER = "TAKEN_OVER", _("taken over by an operator")
    RETURNED = "RETURNED", _("returned")
    CLOSED = "CLOSED", _("closed")


R = RepairState
REPAIR_TRANSITIONS = Transitions(
    {
        R.QUARANTINED: {R.DRAINING, R.REMEDY, R.VALIDATION, R.NEEDS_HANDS, R.TAKEN_OVER, R.CLOSED},
        R.DRAINING: {R.QUARANTINED, R.REMEDY, R.VALIDATION, R.NEEDS_HANDS, R.TAKEN_OVER, R.CLOSED},
        R.REMEDY: {R.QUARANTINED, R.VALIDATION, R.TAKEN_OVER, R.CLOSED},
        R.VALIDATION: {R.QUARANTINED, R.RETURNED, R.TAKEN_OVER, R.CLOSED},
        R.NEEDS_HANDS: {R.QUARANTINED, R.VALIDATION, R.RETURNED, R.TAKEN_OVER, R.CLOSED},
        R.TAKEN_OVER: {R.QUARANTINED, R.VALIDATION, R.NEEDS_HANDS, R.RETURNED, R.CLOSED},
        R.RETURNED: set(),
        R.CLOSED: set(),
    }
)
OVER = (R.RETURNED, R.CLOSED)
OPEN = tuple(state for state in RepairState if state not in OVER)
DECIDING = (R.QUARANTINED, R.DRAINING)  # the next step is decided in these
ACTIVE = (R.DRAINING, R.REMEDY, R.VALIDATION)  # what the limit of a group counts
RESTING = (R.NEEDS_HANDS, R.TAKEN_OVER)  # nothing happens until a person, or the node, does something


class StepVerb(models.TextChoices):
    """What a step does: a remedy, from the mildest to the strongest, or one half of a validation."""

    CLEAN = "CLEAN", _("clean devices")
    RESET = "RESET", _("reset devices")
    REBOOT = "REBOOT", _("reboot node")
    POWER_CYCLE = "POWER_CYCLE", _("power-cycle node")
    CHECK_NODE = "CHECK_NODE", _("check node")
    CHECK = "CHECK", _("check devices")


REMEDIES = (StepVerb.CLEAN, StepVerb.RESET, StepVerb.REBOOT, StepVerb.POWER_CYCLE)
NODE_WIDE = (StepVerb.REBOOT, StepVerb.POWER_CYCLE)  # remedies that need the whole node drained
BY_AGENT = (StepVerb.CLEAN, StepVerb.RESET, StepVerb.REBOOT)
LEVELS = {verb: level for level, verb in enumerate(REMEDIES, start=1)}


class StepState(models.TextChoices):
    """RUNNING → one of the ends. PLANNED: a dry run, nothing was done. SKIPPED: it was not possible."""

    RUNNING = "RUNNING", _("under way")
    SUCCEEDED = "SUCCEEDED", _("succeeded")
    FAILED = "FAILED", _("failed")
    ABANDONED = "ABANDONED", _("abandoned")
    PLANNED = "PLANNED", _("planned only")
    SKIPPED = "SKIPPED", _("skipped")


S = StepState
STEP_TRANSITIONS = Transitions(
    {
        S.RUNNING: {S.SUCCEEDED, S.FAILED, S.ABANDONED},
        S.SUCCEEDED: set(),
        S.FAILED: set(),
        S.ABANDONED: set(),
        S.PLANNED: set(),
        S.SKIPPED: set(),
    }
)


class WaitReason(models.TextChoices):
    """What a repair waits for."""

    NONE = "", "-"
    BREAKER = "BREAKER", _("too many nodes of its group are in repair")
    OPERATOR = "OPERATOR", _("an operator has the node")
    POWER = "POWER", _("a power action is under way")
    AGENT = "AGENT", _("the node's agent is silent")
    JOBS = "JOBS", _("jobs hold devices")
    ORDER = "ORDER", _("the node's agent carries it out")
    BOOT = "BOOT", _("the node starts")
    REPORT = "REPORT", _("what was found before is still reported")


class HandsReason(models.TextChoices):
    """Why a repair waits for a technician."""

    NONE = "", "-"
    NO_REMEDY = "NO_REMEDY", _("no remedy is allowed that has not been tried")
    NOT_POSSIBLE = "NOT_POSSIBLE", _("the remedies that are left are not possible on this node")
    ATTEMPTS = "ATTEMPTS", _("all attempts of this day are used up")
    NOT_DRAINED = "NOT_DRAINED", _("jobs still held devices when the time for the drain was over")
    DRY_RUN = "DRY_RUN", _("dry run: what would be done is planned only")
    BY_OPERATOR = "BY_OPERATOR", _("an operator said so")


class Outcome(models.TextChoices):
    """How the repair of a device, or of the node as a whole, ended."""

    NONE = "", "-"
    VALIDATED = "VALIDATED", _("validated")
    BY_OPERATOR = "BY_OPERATOR", _("brought back by an operator")
    DELETED = "DELETED", _("the node was deleted")


class Origin(models.TextChoices):
    """Why a device or a node came into repair."""

    DEVICE_FAILED = "DEVICE_FAILED", _("its health verdict is failed")
    NODE_LOST = "NODE_LOST", _("its agent went silent")
    UNHEALTHY = "UNHEALTHY", _("the node's health check failed")
    BY_HAND = "BY_HAND", _("an operator asked for it")
