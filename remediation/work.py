"""What workers carry out: the sweep of repairs, and what comes next of one of them."""

from django.conf import settings

from core.apart import each_apart
from core.clock import db_now
from remediation.queries import due_repairs, open_repair_of, stirred_repairs
from remediation.services.advance import advance
from remediation.services.sweep import open_repairs, refresh_breakers


def sweep() -> None:
    """Open repairs of what has failed, and look at those that are due, some at a time."""
    each_apart(["open_repairs"], lambda _name: open_repairs(), "repairs_not_opened")
    now, most = db_now(), settings.MOREH_REPAIRS_AT_ONCE
    each_apart(dict.fromkeys([*due_repairs(now, most), *stirred_repairs(now, most)]), advance, "repair_failed")
    each_apart(["refresh_breakers"], lambda _name: refresh_breakers(), "breakers_not_refreshed")


def look_at(backend_id: int) -> None:
    """Look at the open repair of a node, if there is one."""
    repair = open_repair_of(backend_id)
    if repair is not None:
        advance(repair.pk)
