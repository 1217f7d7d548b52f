"""The settings of a backend group: how its queue is served, and how its devices are checked and repaired.

REST, files and cards take them from here; what a setting may be, its column says. The form arranges them by itself.
"""

from collections.abc import Mapping

GROUP_RULES: Mapping[str, str] = {
    "policy": "policy",
    "guardSeconds": "guard_s",
    "preempt": "preempt",
    "minRunSeconds": "min_run_s",
    "noticeSeconds": "notice_s",
    "powerOnNodes": "power_on_nodes",
    "powerOnSeconds": "power_on_s",
    "draining": "draining",
    "preferOneRack": "one_rack",
    "checkCommand": "check_command",
    "checkEveryHours": "check_every_h",
    "preflight": "preflight",
    "repairClean": "repair_clean",
    "repairReset": "repair_reset",
    "repairReboot": "repair_reboot",
    "repairPowerCycle": "repair_power_cycle",
    "repairDryRun": "repair_dry_run",
    "repairAttempts": "repair_attempts",
    "repairPercent": "repair_percent",
    "repairDrainMinutes": "repair_drain_min",
    "repairForce": "repair_force",
}
"""The column of each setting, by its name in REST."""
