"""Polling: the tables whose changes are stamped, so that a list that did not change is not read again.

Rows of these make up the lists of REST. The order is part of every ETag: a new table goes to the end.
"""

MOREH_WATCHED_TABLES = (
    "tokens_token",
    "tokens_token_groups",
    "tokens_tokengroup",
    "backends_backendgroup",
    "backends_backend",
    "backends_device",
    "backends_card",
    "backends_telemetry",
    "backends_agent",
    "backends_bmc",
    "sda_sdamodel",
    "sda_sdamodelgroup",
    "sda_sdamodelgroup_sda_models",
    "sda_membership",
    "sda_sda",
    "scheduler_job",
    "scheduler_allocation",
    "scheduler_worker",
    "events_event",
    "alerts_alert",
    "bulk_bulkaction",
    "inventory_tag",
    "inventory_customfield",
    "backends_backend_tags",
    "backends_nodefieldvalue",
    "backends_backendgroupfieldvalue",
    "tokens_tokenfieldvalue",
    "sda_sdamodelfieldvalue",
)
