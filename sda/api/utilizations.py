"""The use that running jobs make of their devices."""

from typing import Any

from django.db.models import QuerySet

from core.api.shapes import Card, Showing
from sda.api.cards import sda_cards
from sda.models import Sda

COMPUTE = "C"  # the type of process, as GPU tools print it


def utilization_cards(jobs: QuerySet[Any], showing: Showing) -> list[Card]:
    """Return running jobs with the use of their SDAs, in one query more than a list of SDAs."""
    chosen = jobs.select_related(None)
    sdas = {card["id"]: card for card in sda_cards(Sda.objects.filter(pk__in=chosen.values("sda_id")), showing)}
    return [
        {
            "id": pk,
            "pid": pid,
            "ptype": COMPUTE,
            "processName": name,
            "sdautils": [_use(pk, sdas[sda])] if sda in sdas else [],
        }
        for pk, pid, name, sda in chosen.values_list("pk", "pid", "process_name", "sda_id")
    ]


def _use(job: int, sda: Card) -> Card:
    devices = [device for backend in sda["backends"] for device in backend["devices"] if device["jobId"] == job]
    utilization, used = _known(devices, "utilization"), _known(devices, "usedMemory")
    return {
        "totalMemory": sum(_known(devices, "totalMemory")),
        "usedMemory": sum(used) if used else None,
        "temperature": max(_known(devices, "temperature"), default=None),
        "gpuPower": round(sum(_known(devices, "power")), 1) if _known(devices, "power") else None,
        "utilization": round(sum(utilization) / len(utilization), 1) if utilization else None,
        "sda": sda,
    }


def _known(devices: list[Card], name: str) -> list[Any]:
    return [device[name] for device in devices if device[name] is not None]
