from django.db import models
from django.utils.translation import gettext_lazy as _

from core.transitions import Transitions


class BulkState(models.TextChoices):
    """State of a bulk action."""

    QUEUED = "QUEUED", _("waiting for a worker")
    RUNNING = "RUNNING", _("under way")
    ENDED = "ENDED", _("carried out")
    STOPPED = "STOPPED", _("stopped")


BULK_TRANSITIONS = Transitions(
    {
        BulkState.QUEUED: {BulkState.RUNNING, BulkState.STOPPED},
        BulkState.RUNNING: {BulkState.ENDED, BulkState.STOPPED},
        BulkState.ENDED: set(),
        BulkState.STOPPED: set(),
    }
)
# Verbs whose items are lines of a file: looked at, with everything rolled back, and carried out.
TRY_IMPORT, IMPORT = "try_import", "import"
UNDER_WAY = (BulkState.QUEUED, BulkState.RUNNING)


class ItemState(models.TextChoices):
    """An item moves once, from WAITING; those of a stopped bulk action stay there: they are not done."""

    WAITING = "WAITING", _("not done")
    DONE = "DONE", _("done")
    FAILED = "FAILED", _("refused")
    SKIPPED = "SKIPPED", _("left out")


Item = ItemState
# DONE is written before the act, in its transaction, and corrected when the act was refused or left out.
ITEM_TRANSITIONS = Transitions(
    {
        Item.WAITING: {Item.DONE},
        Item.DONE: {Item.FAILED, Item.SKIPPED},
        Item.FAILED: set(),
        Item.SKIPPED: set(),
    }
)


class StopReason(models.TextChoices):
    """Why a bulk action was stopped."""

    ASKED = "ASKED", _("somebody stopped it")
    NO_RIGHT = "NO_RIGHT", _("who began it may not do this any more")
    NO_VERB = "NO_VERB", _("this version does not know the action")
