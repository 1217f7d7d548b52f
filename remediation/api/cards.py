"""Repairs as plain dictionaries, with their targets and steps, in a fixed number of queries."""

from collections.abc import Iterable
from typing import Any

from core.api.shapes import Card
from core.api.times import iso
from remediation.models import Repair, RepairStep, RepairTarget


def repair_cards(repairs: Iterable[Repair]) -> list[Card]:
    """Return repairs that were read by `queries.repairs`."""
    return [repair_card(repair) for repair in repairs]


def repair_card(repair: Repair) -> Card:
    """Return a repair."""
    return {
        "id": repair.pk,
        "backendId": str(repair.backend_id),
        "backendName": repair.backend.name,
        "state": repair.state,
        "since": iso(repair.since),
        "waitsFor": repair.waits_for,
        "handsReason": repair.hands_reason,
        "evidence": repair.evidence,
        "operator": repair.operator,
        "openedBy": repair.opened_by,
        "openedAt": iso(repair.opened_at),
        "drainUntil": iso(repair.drain_until),
        "endedAt": iso(repair.ended_at),
        "targets": [_target(target) for target in repair.targets.all()],
        "steps": [_step(step) for step in repair.steps.all()],
    }


def _target(target: RepairTarget) -> dict[str, Any]:
    return {
        "device": target.device.index if target.device else None,
        "origin": target.origin,
        "outcome": target.outcome,
        "addedAt": iso(target.added_at),
        "endedAt": iso(target.ended_at),
    }


def _step(step: RepairStep) -> dict[str, Any]:
    return {
        "number": step.number,
        "step": step.verb,
        "state": step.state,
        "dryRun": step.dry_run,
        "devices": step.devices,
        "startedAt": iso(step.started_at),
        "endedAt": iso(step.ended_at),
        "code": step.code,
        "evidence": step.evidence,
    }
