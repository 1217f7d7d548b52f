"""Queries about machines, by noun."""

from backends.queries.agents import (
    current_sessions,
    grace_start,
    is_old,
    is_reporting,
    lost_backends,
    old_in,
    open_orders,
    silence_cutoff,
)
from backends.queries.devices import devices_taken_out, devices_without_agent, memory_of_a_device, out_of_service
from backends.queries.nodes import authenticate_node, authenticate_nodes, live_backend_groups, live_backends, racks_of
from backends.queries.power import (
    BmcCounts,
    bmc_counts,
    bmcs_to_check,
    bmcs_to_monitor,
    bmcs_to_probe,
    due_actions,
    has_bmcs,
    reported_off_at,
)

__all__ = [
    "BmcCounts",
    "authenticate_node",
    "authenticate_nodes",
    "bmc_counts",
    "bmcs_to_check",
    "bmcs_to_monitor",
    "bmcs_to_probe",
    "current_sessions",
    "devices_taken_out",
    "devices_without_agent",
    "due_actions",
    "grace_start",
    "has_bmcs",
    "is_old",
    "is_reporting",
    "live_backend_groups",
    "live_backends",
    "lost_backends",
    "memory_of_a_device",
    "old_in",
    "open_orders",
    "out_of_service",
    "racks_of",
    "reported_off_at",
    "silence_cutoff",
]
