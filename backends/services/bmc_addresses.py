"""Addresses of BMCs that nodes report themselves."""

from collections.abc import Mapping
from ipaddress import ip_address

from django.db import transaction

from backends.models import Bmc
from backends.queries.power import bmcs
from backends.services.bmcs import require_valid_bmc
from core.errors import InvalidParameter
from events.actor import Actor
from events.services import record


def store_bmc_addresses(addresses: Mapping[int, str], actors: Mapping[int, Actor]) -> list[int]:
    """Store at nodes that were enrolled, and have no BMC, the addresses that they report; return their ids.

    An address that an operator gave stays. One that is no address, is not in MOREH_BMC_NETWORKS, or is that of another
    node's BMC, which would then be switched in place of its own, changes nothing.
    """
    if not addresses:
        return []
    rows = Bmc.objects.filter(pk__in=addresses, ip__isnull=True, backend__enrolmentkey__isnull=False)
    without = list(rows.select_related("backend").order_by("pk"))
    return [bmc.pk for bmc in without if _store(bmc, addresses[bmc.pk], actors[bmc.pk])]


@transaction.atomic
def _store(bmc: Bmc, address: str, actor: Actor) -> bool:
    try:
        bmc.ip = str(ip_address(address))
        require_valid_bmc(bmc)
    except (ValueError, InvalidParameter):
        return False
    if bmcs().filter(ip=bmc.ip, port=bmc.port).exclude(pk=bmc.pk).exists():
        return False
    if not Bmc.objects.filter(pk=bmc.pk, ip__isnull=True).update(ip=bmc.ip):
        return False
    record("SET_BMC_ADDRESS", actor=actor, subject=f"backend/{bmc.pk}", node=bmc.ip)
    return True
