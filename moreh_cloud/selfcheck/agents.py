"""Agents: versions that this server does not support any more, and clocks that are wrong."""

from collections.abc import Sequence

from django.conf import settings

from alerts.choices import Level
from alerts.codes import Code
from alerts.services import NewAlert
from alerts.subjects import node
from backends.queries.agents import agents_of_versions, agents_with_skew, versions_of_agents
from core.version import version_key
from moreh_cloud.selfcheck.alerting import Open
from moreh_cloud.selfcheck.levels import level_of

CLEARED_AT = 1 / 2  # of the skew at which an alert is raised


def check_versions(_before: Open) -> Sequence[NewAlert]:
    """Return an alert for each agent that is older than MOREH_OLDEST_AGENT; a version that has no numbers is not."""
    oldest = settings.MOREH_OLDEST_AGENT
    least = version_key(oldest) or ()
    old = [text for text in versions_of_agents() if (key := version_key(text)) is not None and key < least]
    return [
        NewAlert(Code.AGENT_OLD, node(pk), {"node": name, "version": version, "oldest": oldest}, Level.NOTICE)
        for pk, name, version in agents_of_versions(old)
    ]


def check_clocks(before: Open) -> Sequence[NewAlert]:
    """Return an alert for each node whose clock differs too much from that of its gRPC server, in one query."""
    limit = settings.MOREH_CLOCK_SKEW.total_seconds()
    margin = limit * (1 - CLEARED_AT)
    found = []
    for pk, name, skew_ms in agents_with_skew(int(1000 * (limit - margin))):
        skew = skew_ms / 1000
        level = level_of(abs(skew), before.get(node(pk)), warning=limit, margin=margin)
        if level:
            found.append(NewAlert(Code.CLOCK_SKEW, node(pk), {"node": name, "seconds": f"{skew:+.1f}"}, level))
    return found
