"""What the admins of all apps share: they show rows, and write only through services."""

from moreh_cloud.lib.admin.actions import ConfirmForm, ForceForm, confirmed, fields_of, without
from moreh_cloud.lib.admin.compressed import compressed
from moreh_cloud.lib.admin.filters import ExactNumber, Tombstones
from moreh_cloud.lib.admin.rows import GrowingAdmin, GrowingList, RowForm, ServiceAdmin
from moreh_cloud.lib.admin.shown import Secret, Table, ago, badge, exactly, link, link_to

__all__ = [
    "ConfirmForm",
    "ExactNumber",
    "ForceForm",
    "GrowingAdmin",
    "GrowingList",
    "RowForm",
    "Secret",
    "ServiceAdmin",
    "Table",
    "Tombstones",
    "ago",
    "badge",
    "compressed",
    "confirmed",
    "exactly",
    "fields_of",
    "link",
    "link_to",
    "without",
]
