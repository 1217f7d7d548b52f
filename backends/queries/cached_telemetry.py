"""For which nodes the cache has room for a history."""

from collections.abc import Mapping

from django.conf import settings
from django.db.models import Max

from backends.models import Backend
from backends.telemetry_history.cached import bytes_of

MIB = 1024 * 1024


def cache_is_used() -> bool:
    """Whether charts come from the cache: Prometheus is not named, and there may be memory for them."""
    return not settings.MOREH_PROMETHEUS_URL and settings.MOREH_CHARTS_MIB > 0


def nodes_in_cache() -> Mapping[int, int]:
    """Return the live nodes of which means are kept, with their numbers of devices, in one query.

    They are the first ones by id, as many as fit into MOREH_CHARTS_MIB; none while Prometheus is used.
    """
    if not cache_is_used():
        return {}
    found, left = {}, settings.MOREH_CHARTS_MIB * MIB
    rows = Backend.objects.live().order_by("pk").filter(devices__isnull=False)
    for pk, highest in rows.values_list("pk").annotate(Max("devices__index")).iterator():
        left -= bytes_of(highest + 1)
        if left < 0:
            break
        found[pk] = highest + 1
    return found
