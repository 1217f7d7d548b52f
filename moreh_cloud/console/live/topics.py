"""What a page can watch: each topic stands for tables whose changes are stamped."""

import hashlib
from collections.abc import Mapping

from moreh_cloud.answers.watching import read_stamps
from scheduler.outlook import read_sign

TABLES: Mapping[str, tuple[str, ...]] = {
    "nodes": ("backends_backend", "backends_device", "backends_backendgroup", "backends_bmc"),
    "telemetry": ("backends_telemetry", "backends_agent"),
    "jobs": ("scheduler_job", "scheduler_allocation", "scheduler_worker"),
    "customers": (
        "tokens_token",
        "tokens_token_groups",
        "tokens_tokengroup",
        "sda_sdamodel",
        "sda_sdamodelgroup",
        "sda_sdamodelgroup_sda_models",
        "sda_membership",
        "sda_sda",
    ),
    "events": ("events_event",),
    "alerts": ("alerts_alert",),
    "bulk": ("bulk_bulkaction",),
}

Pulse = Mapping[str, str]
"""A short sign per topic: the same sign means that nothing of the topic has changed."""


def read_pulse() -> Pulse:
    """Give the sign of every topic, in one query; jobs also show estimates, which are in no table."""
    stamps = read_stamps()
    signs = {topic: [stamps.get(table, "") for table in tables] for topic, tables in TABLES.items()}
    signs["jobs"].append(read_sign())
    return {topic: _sign(found) for topic, found in signs.items()}


def _sign(stamps: list[str]) -> str:
    return hashlib.blake2b("\n".join(stamps).encode(), digest_size=6).hexdigest()
