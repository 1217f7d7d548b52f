"""What a repair does next, as a table of situations."""

from dataclasses import replace

import pytest

from remediation.choices import REMEDIES, HandsReason, StepVerb, WaitReason
from remediation.decide import Decision, DecisionKind, RepairRules, Situation, Target, decide

pytestmark = pytest.mark.only_sqlite

V, W, H = StepVerb, WaitReason, HandsReason
ANY = RepairRules(frozenset(REMEDIES))
BAD = Target(1, 3, faulty=True)
QUIET = Target(1, 3)
NODE = Target(2, None, faulty=True)
WAITS = {reason: Decision(DecisionKind.WAIT, waits_for=reason) for reason in WaitReason}


def found(*targets: Target, rules: RepairRules = ANY, **facts: object) -> Situation:
    return replace(Situation(targets, rules), **facts)  # type: ignore[arg-type]


def only(*verbs: StepVerb, **more: object) -> RepairRules:
    return RepairRules(frozenset(verbs), **more)  # type: ignore[arg-type]


def hands(reason: HandsReason) -> Decision:
    return Decision(DecisionKind.HANDS, hands=reason)


CASES: dict[str, tuple[Situation, Decision]] = {
    "nothing allowed": (found(BAD, rules=RepairRules()), hands(H.NO_REMEDY)),
    "the finding has ended by itself": (
        found(QUIET, rules=RepairRules()),
        Decision(DecisionKind.VALIDATE, targets=(1,)),
    ),
    "its validation has failed before": (
        found(replace(QUIET, validated=True)),
        Decision(DecisionKind.REMEDY, V.CLEAN, (1,)),
    ),
    "the mildest remedy first": (found(BAD), Decision(DecisionKind.REMEDY, V.CLEAN, (1,))),
    "then the next": (found(replace(BAD, level=1)), Decision(DecisionKind.REMEDY, V.RESET, (1,))),
    "then the whole node": (found(replace(BAD, level=2)), Decision(DecisionKind.REMEDY, V.REBOOT, (1,), wide=True)),
    "and its power": (found(replace(BAD, level=3)), Decision(DecisionKind.REMEDY, V.POWER_CYCLE, (1,), wide=True)),
    "all tried": (found(replace(BAD, level=4)), hands(H.NO_REMEDY)),
    "one allowed, and tried": (found(replace(BAD, level=2), rules=only(V.RESET)), hands(H.NO_REMEDY)),
    "no BMC": (found(replace(BAD, level=3), bmc=False), hands(H.NOT_POSSIBLE)),
    "a new device beside one that is exhausted": (
        found(replace(BAD, level=4, validated=True), Target(9, 5, faulty=True)),
        Decision(DecisionKind.REMEDY, V.CLEAN, (9,)),
    ),
    "a reboot is for all of them": (
        found(replace(BAD, level=2), Target(9, 5, level=2, validated=True)),
        Decision(DecisionKind.REMEDY, V.REBOOT, (1, 9), wide=True),
    ),
    "its job goes on": (
        found(replace(BAD, busy=True)),
        Decision(DecisionKind.DRAIN, targets=(1,), waits_for=W.JOBS),
    ),
    "its job goes on for too long": (
        found(replace(BAD, busy=True), late=True),
        Decision(DecisionKind.DRAIN, targets=(1,), waits_for=W.JOBS),
    ),
    "its job may be ended": (
        found(replace(BAD, busy=True), late=True, rules=replace(ANY, force=True)),
        Decision(DecisionKind.END_JOBS, targets=(1,), waits_for=W.JOBS),
    ),
    "a neighbour's job goes on": (found(BAD, busy=True), Decision(DecisionKind.REMEDY, V.CLEAN, (1,))),
    "a reboot waits for neighbours": (
        found(replace(BAD, level=2), busy=True),
        Decision(DecisionKind.DRAIN, targets=(1,), wide=True, waits_for=W.JOBS),
    ),
    "but not for ever": (found(replace(BAD, level=2), busy=True, late=True), hands(H.NOT_DRAINED)),
    "a validation waits for the job": (
        found(replace(QUIET, busy=True)),
        Decision(DecisionKind.DRAIN, waits_for=W.JOBS),
    ),
    "an operator has the device": (found(BAD, operator=True), WAITS[W.OPERATOR]),
    "an operator has a neighbour": (found(BAD, operator_on_node=True), Decision(DecisionKind.REMEDY, V.CLEAN, (1,))),
    "an operator has a neighbour, before a reboot": (
        found(replace(BAD, level=2), operator_on_node=True),
        WAITS[W.OPERATOR],
    ),
    "a power action": (found(BAD, power=True), WAITS[W.POWER]),
    "too many in repair": (found(BAD, has_room=False), WAITS[W.BREAKER]),
    "a validation needs no room": (found(QUIET, has_room=False), Decision(DecisionKind.VALIDATE, targets=(1,))),
    "attempts used up": (found(BAD, attempts=4), hands(H.ATTEMPTS)),
    "a silent agent": (found(BAD, agent=False), WAITS[W.AGENT]),
    "a lost node": (found(NODE, agent=False), Decision(DecisionKind.REMEDY, V.POWER_CYCLE, (2,), wide=True)),
    "a lost node without a BMC": (found(NODE, agent=False, bmc=False), hands(H.NOT_POSSIBLE)),
    "an unhealthy node": (found(NODE), Decision(DecisionKind.REMEDY, V.CLEAN, (2,), wide=True)),
    "no reset of a node": (found(replace(NODE, level=1)), Decision(DecisionKind.REMEDY, V.REBOOT, (2,), wide=True)),
    "a node that is back": (
        found(replace(NODE, faulty=False)),
        Decision(DecisionKind.VALIDATE, targets=(2,), wide=True),
    ),
    "a dry run": (found(BAD, rules=replace(ANY, dry_run=True)), Decision(DecisionKind.PLAN, V.CLEAN, (1,))),
    "a dry run to its end": (
        found(replace(BAD, level=4), rules=replace(ANY, dry_run=True)),
        hands(H.DRY_RUN),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_decision(case: str) -> None:
    situation, decision = CASES[case]
    assert decide(situation) == decision
