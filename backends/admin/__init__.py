"""Nodes, their groups, devices, agents and power in the admin."""

from backends.admin import devices, enrolment, groups, imports, maintenance, monitoring, nodes, orders, power

__all__ = ["devices", "enrolment", "groups", "imports", "maintenance", "monitoring", "nodes", "orders", "power"]
