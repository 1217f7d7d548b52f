"""A process with Django beside the product: seeds, asks for power actions, and says which laws are broken.

One JSON line in, one out: {"do": "seed"}, {"do": "jobs"}, {"do": "restless"}, {"do": "broken"}, {"do": "power", …}.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import django

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "moreh_cloud.settings"
    django.setup()

from django.core.management import call_command
from django.db.models import Count

from backends.choices import OPEN_ORDERS, UNDER_WAY, DeviceStatus, PowerVerb
from backends.models import Backend, BackendGroup, Device, Order, PowerAction
from backends.services.nodes import create_backend
from backends.services.power import request_power
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.models import Event
from scheduler.choices import LIVE, WorkerState
from scheduler.models import Allocation, Job, Worker
from scheduler.queries import OPEN
from scheduler.reconcile import reconcile
from sda.services.models import create_sda_model
from sda.services.sdas import create_sda
from tests.crash.world import BMC_PASSWORD, BMC_USER, DEVICES, SIZES
from tokens.services import create_token
from usage.proof import prove

TESTER = Actor("crash test", "test")


def seed(bmc_ports: list[int]) -> dict[str, Any]:
    """Make nodes and one customer per size; give the secrets."""
    call_command("migrate", verbosity=0)
    group = BackendGroup.objects.get(pk=0)
    nodes = []
    for number, port in enumerate(bmc_ports):
        _backend, key = create_backend(
            name=f"crash-{number}",
            ip="127.0.0.1",
            bmc_ip="127.0.0.1",
            bmc_port=port,
            bmc_user=BMC_USER,
            bmc_password=BMC_PASSWORD,
            devices=DEVICES,
            group=group,
            actor=TESTER,
        )
        nodes.append({"name": f"crash-{number}", "key": key, "bmc_port": port})
    return {"nodes": nodes, "tokens": [_customer(size) for size in SIZES]}


def _customer(size: int) -> str:
    model = create_sda_model(name=f"size-{size}", num_devices=size, actor=TESTER)
    token = create_token(description=f"customer-{size}", max_duplicates=0, actor=TESTER)
    create_sda(token, model, actor=TESTER)
    return str(token.value)


def jobs(requests: list[str]) -> dict[str, list[Any]]:
    """Give id, status and cause of the jobs with these request ids."""
    rows = Job.objects.filter(request_id__in=requests).values_list("request_id", "pk", "status", "cause")
    return {request: rest for request, *rest in rows}


def job(number: int) -> list[str]:
    """Give status and cause of a job."""
    row = Job.objects.get(pk=number)
    return [row.status, row.cause]


def restless() -> list[str]:
    """Say what has not come to rest yet."""
    counts = {
        "live jobs": Job.objects.filter(status__in=LIVE).count(),
        "open orders": Order.objects.filter(state__in=OPEN_ORDERS).count(),
        "workers": Worker.objects.exclude(state=WorkerState.GONE).count(),
        "devices that are not IDLE": Device.objects.exclude(status=DeviceStatus.IDLE).count(),
        "power actions": PowerAction.objects.filter(state__in=UNDER_WAY).count(),
    }
    return [f"{count} {what}" for what, count in counts.items() if count]


def broken(told: list[dict[str, Any]]) -> list[str]:
    """List every law that is broken, when all has come to rest; `told` is what clients have heard."""
    return [
        *restless(),
        *(f"open allocation {pk}" for pk in Allocation.objects.filter(OPEN).values_list("pk", flat=True)),
        *(f"twice: {row}" for row in Job.objects.values("request_id").annotate(n=Count("pk")).filter(n__gt=1)),
        *prove().differences,
        *(f"inconsistent: {finding}" for finding in reconcile()),
        *(f"repaired: {event.subject} {event.request}" for event in Event.objects.filter(action="REPAIR")),
        *(problem for job in Job.objects.all() for problem in _events_of(job)),
        *(problem for line in told for problem in _word(line)),
    ]


def _events_of(job: Job) -> Iterator[str]:
    actions = Event.objects.filter(subject=f"job/{job.pk}").order_by("pk").values_list("action", flat=True)
    on_the_way = [("SUBMIT_JOB", job.submitted_at), ("START_JOB", job.started_at)]
    expected = ["CREATE_JOB", *(name for name, at in on_the_way if at), f"{job.status}_JOB"]
    if list(actions) != expected:
        yield f"job {job.pk} is {job.status} with the events {list(actions)}"


def _word(line: dict[str, Any]) -> Iterator[str]:
    job = Job.objects.filter(pk=line["job_id"], request_id=line["request_id"]).first()
    if job is None:
        yield f"accepted and nowhere: {line}"
    elif line.get("status", job.status) != job.status:
        yield f"the client heard {line['status']}, job {job.pk} is {job.status}"


def power(node: str, command: str) -> int:
    """Ask for a power action; gives its id."""
    action = request_power(Backend.objects.get(name=node), PowerVerb(command), actor=TESTER, force=True)
    return int(action.pk)


def action(number: int) -> dict[str, Any]:
    """Give how a power action is."""
    row = PowerAction.objects.get(pk=number)
    return {"state": row.state, "sent": row.sent, "attempt": row.attempt}


def devices(node: str) -> list[list[str]]:
    """Give status and reason of a node's devices."""
    return [list(row) for row in Device.objects.filter(backend__name=node).values_list("status", "why")]


VERBS: dict[str, Callable[..., Any]] = {
    verb.__name__: verb for verb in (seed, job, jobs, restless, broken, power, action, devices)
}


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(VERBS[order.pop("do")](**order)), flush=True)


if __name__ == "__main__":
    main()
