"""The topics of live pages. Each topic stands for tables whose changes are stamped."""

import hashlib
from collections.abc import Mapping

from idempotency.watching import read_stamps
from scheduler.estimates.start_estimates import estimates_version

TABLES: Mapping[str, tuple[str, ...]] = {
    "nodes": (
        "backends_backend",
        "backends_device",
        "backends_backendgroup",
        "backends_bmc",
        "backends_backend_tags",
        "backends_nodefieldvalue",
        "inventory_tag",
    ),
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
"""A short digest per topic. While it stays the same, nothing of the topic has changed."""


def read_pulse() -> Pulse:
    """Return the digest of every topic, in one query. Jobs include start estimates, which are in no table."""
    stamps = read_stamps()
    digests = {topic: [stamps.get(table, "") for table in tables] for topic, tables in TABLES.items()}
    digests["jobs"].append(estimates_version())
    return {topic: _digest(stamps) for topic, stamps in digests.items()}


def _digest(stamps: list[str]) -> str:
    return hashlib.blake2b("\n".join(stamps).encode(), digest_size=6).hexdigest()
