"""Shared base of all admins: they show rows, and write only through services."""

from core.admin.actions import ConfirmForm, ForceForm, confirmed, fields_of, without
from core.admin.compressed import compressed
from core.admin.filters import Tombstones, by_number
from core.admin.formatting import Secret, Table, badge, exact_time, link, link_column, link_to, time_ago
from core.admin.lookups import with_key
from core.admin.row_forms import RowForm
from core.admin.rows import GrowingAdmin, GrowingList, ServiceAdmin

__all__ = [
    "ConfirmForm",
    "ForceForm",
    "GrowingAdmin",
    "GrowingList",
    "RowForm",
    "Secret",
    "ServiceAdmin",
    "Table",
    "Tombstones",
    "badge",
    "by_number",
    "compressed",
    "confirmed",
    "exact_time",
    "fields_of",
    "link",
    "link_column",
    "link_to",
    "time_ago",
    "with_key",
    "without",
]
