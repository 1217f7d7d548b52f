"""Setting up notifications in one step: a channel, and a rule with what a beginner wants to hear of."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from alerts.choices import Category, Level
from events.actor import Actor
from notifications.choices import Preset
from notifications.models import Rule
from notifications.services.rules import create_rule
from outbox.models import Channel
from outbox.services import create_channel

C = Category
CATEGORIES: Mapping[Preset, Sequence[Category]] = {
    Preset.NODES: (C.NODE_SILENT, C.NODE_LOST, C.NODE_CLAIMED_TWICE, C.REPAIR_EXHAUSTED, C.REPAIR_BREAKER),
    Preset.GPUS: (C.GPU_ERROR, C.DEVICE_HEALTH, C.GPU_TEMPERATURE, C.GPU_SHORTAGE),
    Preset.JOBS: (C.JOB_ERROR,),
    Preset.POWER: (C.BMC_UNREACHABLE, C.BMC_WEAK, C.BMC_SENSOR, C.POWER_UNKNOWN),
    Preset.BUDGETS: (C.BUDGET_NEAR, C.BUDGET_SPENT, C.STATEMENT_FAILED),
    Preset.CRITICAL: (),
    Preset.ALL: (),
}


COLLECT_S = 2
"""Short, so that a node that falls silent is told within 40 seconds."""


@transaction.atomic
def set_up(
    *, name: str, preset: Preset, actor: Actor, channel: Channel | None = None, **of_channel: Any
) -> tuple[Rule, str]:
    """Create a rule for a preset, with a channel that exists or with a new one made of `of_channel`.

    Return the rule and the secret of a new signed webhook, else "". Raises Duplicate, InvalidParameter.
    """
    secret = ""
    if channel is None:
        channel, secret = create_channel(name=name, actor=actor, **of_channel)
    level = Level.CRITICAL if preset == Preset.CRITICAL else Level.NOTICE
    categories = [category.value for category in CATEGORIES[preset]]
    which = {"categories": categories, "least_level": level}
    rule = create_rule(name=name, actor=actor, channels=[channel], group_wait_s=COLLECT_S, **which)
    return rule, secret
