"""What a repair does next: a plain decision from facts, without database or clock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from remediation.choices import BY_AGENT, LEVELS, NODE_WIDE, REMEDIES, HandsReason, StepVerb, WaitReason


class DecisionKind(StrEnum):
    """What is to be done."""

    WAIT = "wait"
    DRAIN = "drain"
    END_JOBS = "end jobs"
    REMEDY = "remedy"
    PLAN = "plan"
    VALIDATE = "validate"
    HANDS = "hands"


@dataclass(frozen=True, slots=True)
class Target:
    """A device by its index, or the node as a whole (None).

    `level`: of the strongest remedy that was tried. `validated`: its validation has failed since. `faulty`: it can be
    seen without a validation that something is wrong. `busy`: a job holds it, or it is being cleaned.
    """

    id: int
    device: int | None
    level: int = 0
    validated: bool = False
    faulty: bool = False
    busy: bool = False


@dataclass(frozen=True, slots=True)
class RepairRules:
    """What the group allows."""

    allowed: frozenset[StepVerb] = frozenset()
    dry_run: bool = False
    attempts: int = 4
    force: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a node in repair.

    `operator`: an operator has what the repair is about; `operator_on_node`: any device of the node. `has_room`: the
    group's limit admits one more repair. `busy`: a job holds a device of the node. `late`: the time for the drain is
    over, which is that of the whole node if `drains_node`.
    """

    targets: Sequence[Target]
    rules: RepairRules
    attempts: int = 0
    agent: bool = True
    bmc: bool = True
    operator: bool = False
    operator_on_node: bool = False
    power: bool = False
    busy: bool = False
    has_room: bool = True
    late: bool = False
    drains_node: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done next, with which targets (ids); `wide`: it needs the whole node."""

    kind: DecisionKind
    verb: StepVerb | None = None
    targets: tuple[int, ...] = ()
    wide: bool = False
    waits_for: WaitReason = WaitReason.NONE
    hands: HandsReason = HandsReason.NONE


def decide(found: Situation) -> Decision:
    """Return what to do next about the targets whose repair has not ended; there is at least one.

    What can be validated is validated before a remedy is tried: a finding may have ended by itself.
    """
    if found.operator:
        return _wait(WaitReason.OPERATOR)
    if found.power:
        return _wait(WaitReason.POWER)
    node_as_a_whole = any(target.device is None for target in found.targets)
    if not found.agent and not node_as_a_whole:  # the node is lost soon, or back
        return _wait(WaitReason.AGENT)
    ready = [target for target in found.targets if not target.validated and not target.faulty]
    if ready and found.agent:
        return _validate(ready)
    return _remedy(found)


def possible(verb: StepVerb, found: Situation) -> bool:
    """Whether a remedy can be carried out on this node at all."""
    return found.agent if verb in BY_AGENT else found.bmc


def next_remedy(target: Target, found: Situation) -> StepVerb | None:
    """Return the mildest remedy for a target that is allowed, possible and stronger than what was tried."""
    for verb in REMEDIES:
        if (
            LEVELS[verb] > target.level
            and _fits(verb, target)
            and verb in found.rules.allowed
            and possible(verb, found)
        ):
            return verb
    return None


def impossible_remedies(found: Situation) -> list[StepVerb]:
    """Return the allowed remedies that were left out because the node cannot have them, where that matters."""
    least = min((target.level for target in found.targets), default=0)
    fitting = [verb for verb in REMEDIES if any(_fits(verb, target) for target in found.targets)]
    left = [verb for verb in fitting if LEVELS[verb] > least and verb in found.rules.allowed]
    return [verb for verb in left if not possible(verb, found)]


def _fits(verb: StepVerb, target: Target) -> bool:
    """Whether there is such a remedy for a target: only devices are reset."""
    return target.device is not None or verb is not StepVerb.RESET


def _validate(ready: Sequence[Target]) -> Decision:
    if free := [target.id for target in ready if not target.busy]:
        return Decision(DecisionKind.VALIDATE, targets=tuple(free), wide=any(target.device is None for target in ready))
    return Decision(DecisionKind.DRAIN, waits_for=WaitReason.JOBS)


def _remedy(found: Situation) -> Decision:
    nexts = {target: verb for target in found.targets if (verb := next_remedy(target, found))}
    if not nexts:
        return Decision(DecisionKind.HANDS, hands=_why_no_remedy(found))
    verb = min(nexts.values(), key=LEVELS.__getitem__)
    chosen = [target for target in found.targets if verb in NODE_WIDE or nexts.get(target) == verb]
    wide = verb in NODE_WIDE or any(target.device is None for target in chosen)
    remedy = Decision(DecisionKind.REMEDY, verb, tuple(target.id for target in chosen), wide)
    if found.rules.dry_run:
        return replace(remedy, kind=DecisionKind.PLAN, wide=False)
    if found.attempts >= found.rules.attempts:
        return Decision(DecisionKind.HANDS, hands=HandsReason.ATTEMPTS)
    return _when_admitted(found, remedy, busy=any(target.busy for target in chosen))


def _when_admitted(found: Situation, remedy: Decision, *, busy: bool) -> Decision:
    """Return the remedy, or what it waits for. `busy`: a job holds what it is about."""
    if remedy.wide and found.operator_on_node:
        return _wait(WaitReason.OPERATOR)
    if not found.has_room:
        return _wait(WaitReason.BREAKER)
    if found.busy if remedy.wide else busy:
        return _drain(found, remedy.targets, remedy.wide)
    return remedy


def _why_no_remedy(found: Situation) -> HandsReason:
    if impossible_remedies(found):
        return HandsReason.NOT_POSSIBLE
    return HandsReason.DRY_RUN if found.rules.dry_run and found.rules.allowed else HandsReason.NO_REMEDY


def _drain(found: Situation, targets: tuple[int, ...], wide: bool) -> Decision:
    """A device of its own waits for its job as long as it takes; a node does not, because healthy devices wait too."""
    late = found.late and (found.drains_node or not wide)
    if late and found.rules.force:
        return Decision(DecisionKind.END_JOBS, targets=targets, wide=wide, waits_for=WaitReason.JOBS)
    if late and wide:
        return Decision(DecisionKind.HANDS, hands=HandsReason.NOT_DRAINED)
    return Decision(DecisionKind.DRAIN, targets=targets, wide=wide, waits_for=WaitReason.JOBS)


def _wait(reason: WaitReason) -> Decision:
    return Decision(DecisionKind.WAIT, waits_for=reason)
