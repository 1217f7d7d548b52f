"""The descriptions of repairs in the API schema."""

from core.api.description.words import AT, describe

describe(
    words={
        "addedAt": ("When the repair began to be about it.", AT),
        "RepairStep.code": ("Why the step ended so; empty for success.", "NOT_PASSED"),
        "RepairStep.number": ("The place of the step in its repair.", 1),
        "RepairStep.state": ("How the step is, or how it ended.", "SUCCEEDED"),
        "RepairStep.devices": ("The indexes of the devices that it is about; empty: the node.", [3]),
        "RepairStep.evidence": ("What was found.", "03: LOST GPU is lost"),
        "RepairStep.startedAt": ("When it began.", AT),
        "RepairStep.endedAt": ("When it ended; null while it is under way.", AT),
        "RepairTarget.device": ("The index of the device; null: the node as a whole.", 3),
        "RepairTarget.endedAt": ("When its repair ended; null while it is repaired.", AT),
        "origin": ("Why it came into repair.", "DEVICE_FAILED"),
        "outcome": ("How its repair ended; empty while it is repaired.", "VALIDATED"),
        "step": ("What the step does.", "RESET"),
        "dryRun": ("Whether the step was only planned.", False),
        "Repair.state": ("The state of the repair.", "VALIDATION"),
        "Repair.since": ("When the state last changed.", AT),
        "Repair.waitsFor": ("What it waits for; empty: nothing.", "ORDER"),
        "Repair.evidence": ("What a technician should know; empty unless it waits for one.", "03: LOST GPU is lost"),
        "Repair.endedAt": ("When it ended; null while it is open.", AT),
        "handsReason": ("Why it waits for a technician; empty unless it does.", ""),
        "Repair.operator": ("Who has taken it over; empty: nobody.", ""),
        "openedBy": ("Who has opened it.", "system"),
        "openedAt": ("When it was opened.", AT),
        "drainUntil": ("Until when it waits for jobs to end; null unless it drains.", AT),
        "targets": ("What it is about.", None),
        "steps": ("Its steps, the first one first.", None),
        "NewRepairRequest.devices": ("The indexes of the devices; without any the node as a whole.", [3]),
        "NewRepairRequest.reason": ("Why, for the events.", "strange noise"),
        "RepairCommandRequest.command": ("What to do about it.", "takeover"),
        "RepairCommandRequest.reason": ("Why; needed by `return`.", "known glitch"),
        "backend_repair_list.open": ("Only what is open, or only what is over.", "true"),
    },
)
