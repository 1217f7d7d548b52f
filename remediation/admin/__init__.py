"""The admin of repairs."""

from remediation.admin.repairs import RepairAdmin

__all__ = ["RepairAdmin"]
