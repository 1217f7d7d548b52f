"""What a page can watch: each topic stands for tables whose changes are stamped."""

import hashlib
from collections.abc import Mapping

from moreh_cloud.answers.watching import read_stamps

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
    """Give the sign of every topic, in one query."""
    stamps = read_stamps()
    return {topic: _sign([stamps.get(table, "") for table in tables]) for topic, tables in TABLES.items()}


def _sign(stamps: list[str]) -> str:
    return hashlib.blake2b("\n".join(stamps).encode(), digest_size=6).hexdigest()
