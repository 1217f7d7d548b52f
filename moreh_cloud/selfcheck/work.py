"""All checks, one after the other; one that fails does not stop the others."""

from collections.abc import Mapping

from alerts.choices import Category
from core.apart import each_apart
from moreh_cloud.selfcheck.agents import check_clocks, check_versions
from moreh_cloud.selfcheck.alerting import Check, renew_alerts
from moreh_cloud.selfcheck.certificates import check_certificates
from moreh_cloud.selfcheck.disks import check_disks
from moreh_cloud.selfcheck.processes import check_beat, check_queues

CHECKS: Mapping[Category, Check] = {
    Category.NO_BEAT: check_beat,
    Category.QUEUE_STALLED: check_queues,
    Category.DISK_FULL: check_disks,
    Category.CERTIFICATE_EXPIRES: check_certificates,
    Category.AGENT_OLD: check_versions,
    Category.CLOCK_SKEW: check_clocks,
}


def check_self() -> None:
    """Raise and clear the alerts of the product about itself."""
    each_apart(CHECKS, lambda category: renew_alerts(category, CHECKS[category]), "selfcheck_failed")
