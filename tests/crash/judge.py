"""A process with Django beside the product: seeds, requests power actions, and returns which invariants are broken.

One JSON line in, one out: {"do": "seed"}, {"do": "jobs"}, {"do": "restless"}, {"do": "broken"}, {"do": "power", …}.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import django

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "moreh_cloud.settings"
    django.setup()

from django.core.management import call_command
from django.db import close_old_connections, connection, transaction
from django.db.models import Count, Sum

from accounts.choices import Role
from accounts.models import Operator
from accounts.services.access import open_access
from backends.choices import OPEN_ORDERS, UNDER_WAY, DeviceStatus, PowerVerb, SchedulingPolicy
from backends.models import Backend, BackendGroup, Device, ManagerPresence, Order, PowerAction
from backends.services.groups import update_backend_group
from backends.services.nodes import create_backend
from backends.services.power import DrainFirst, request_power
from bulk import services as bulks
from bulk.models import BulkAction
from core.clock import db_now
from core.repeats import repeated
from events.actor import Actor
from events.models import Event
from outbox.models import Delivery
from outbox.services import NewDelivery, create_channel, enqueue
from scheduler.choices import LIVE, WorkerState
from scheduler.models import Allocation, Job, Worker
from scheduler.queries.allocations import OPEN
from scheduler.reconcile import reconcile
from scheduler.services.nodes import activate_backend
from scheduler.services.power import drain_then
from sda.models import Sda
from sda.services.models import create_sda_model
from sda.services.sdas import create_sda
from tests.crash.constants import BMC_PASSWORD, BMC_USER, DEVICES, SIZES
from tokens.models import Token
from tokens.services import create_token, update_token
from usage.audit import audit_usage
from usage.calendar import HOUR
from usage.models import ClosedHour, UsageHour
from usage.queries import first_start
from usage.services import settled_until
from usage.tasks import roll_up

ON_THE_WAY = ("SET_JOB_PRIORITY", "NOTICE_JOB", "KEEP_JOB")  # may come at any time, and any number of times
TESTER = Actor("crash test", "test")


def seed(bmc_ports: list[int]) -> dict[str, Any]:
    """Make nodes and one customer per size; return the secrets."""
    if "django_migrations" not in connection.introspection.table_names():  # else it is a copy of a migrated one
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
    """Return id, status, cause and detail of the jobs with these request ids."""
    rows = Job.objects.filter(request_id__in=requests).values_list("request_id", "pk", "status", "cause", "detail")
    return {request: rest for request, *rest in rows}


def job(number: int) -> list[str]:
    """Return status and cause of a job."""
    row = Job.objects.get(pk=number)
    return [row.status, row.cause]


def restless() -> list[str]:
    """Return what has not come to rest yet."""
    counts = {
        "live jobs": Job.objects.filter(status__in=LIVE).count(),
        "open orders": Order.objects.filter(state__in=OPEN_ORDERS).count(),
        "workers": Worker.objects.exclude(state=WorkerState.GONE).count(),
        "devices that are not IDLE": Device.objects.exclude(status=DeviceStatus.IDLE).count(),
        "power actions": PowerAction.objects.filter(state__in=UNDER_WAY).count(),
    }
    return [f"{count} {what}" for what, count in counts.items() if count]


def broken(received: list[dict[str, Any]]) -> list[str]:
    """Return every broken invariant after all has come to rest; `received` is what clients have received."""
    return [
        *restless(),
        *(f"open allocation {pk}" for pk in Allocation.objects.filter(OPEN).values_list("pk", flat=True)),
        *(f"twice: {row}" for row in Job.objects.values("request_id").annotate(n=Count("pk")).filter(n__gt=1)),
        *audit_usage().differences,
        *(f"inconsistent: {finding}" for finding in reconcile()),
        *(f"repaired: {event.subject} {event.request}" for event in Event.objects.filter(action="REPAIR")),
        *(problem for job in Job.objects.all() for problem in _events_of(job)),
        *(problem for line in received for problem in _word(line)),
    ]


def _events_of(job: Job) -> Iterator[str]:
    """Every attempt was submitted before it was preempted, and the last one ended as the job did."""
    actions = [action for action in _actions(f"job/{job.pk}") if action not in ON_THE_WAY]
    last = [("SUBMIT_JOB", job.submitted_at), ("START_JOB", job.started_at)]
    expected = [*(name for name, at in last if at), f"{job.status}_JOB"]
    attempts = f"(SUBMIT_JOB (START_JOB )?PREEMPT_JOB ){{{job.attempt - 1}}}"
    if not re.fullmatch(f"CREATE_JOB {attempts}{' '.join(expected)}", " ".join(actions)):
        yield f"job {job.pk} is {job.status} with the events {actions}"


def _actions(subject: str) -> list[str]:
    return list(Event.objects.filter(subject=subject).order_by("pk").values_list("action", flat=True))


def _word(line: dict[str, Any]) -> Iterator[str]:
    job = Job.objects.filter(pk=line["job_id"], request_id=line["request_id"]).first()
    if job is None:
        yield f"accepted and nowhere: {line}"
    elif line.get("status", job.status) != job.status:
        yield f"the client received {line['status']}, job {job.pk} is {job.status}"


def calm() -> None:
    """Undo what operators have changed, so that everything that waits can start."""
    rules: dict[str, Any] = {"policy": SchedulingPolicy.STRICT, "preempt": False, "draining": False}
    update_backend_group(BackendGroup.objects.get(pk=0), actor=TESTER, **rules)
    for token in Token.objects.all():
        update_token(token, actor=TESTER, max_devices=None)


def preempted() -> int:
    """Return how often a job was preempted."""
    return Event.objects.filter(action="PREEMPT_JOB").count()


def power(node: str, command: str) -> int:
    """Request a power action; return its id."""
    action = request_power(Backend.objects.get(name=node), PowerVerb(command), actor=TESTER, force=True)
    return int(action.pk)


def drain_power(node: str, command: str, seconds: float) -> int:
    """Request a power action after a drain, and with jobs after so many seconds; return its id."""
    drain = DrainFirst(db_now() + timedelta(seconds=seconds), force=True)
    return int(drain_then(Backend.objects.get(name=node), PowerVerb(command), drain, actor=TESTER).pk)


def activate(node: str) -> None:
    """End a node's drain."""
    activate_backend(Backend.objects.get(name=node), actor=TESTER)


def action(number: int) -> dict[str, Any]:
    """Return the state of a power action."""
    row = PowerAction.objects.get(pk=number)
    return {"state": row.state, "sent": row.sent, "attempt": row.attempt}


def access() -> str:
    """Return an access token for REST."""
    operator = Operator.objects.create(
        username=uuid4().hex, role=Role.MASTER, is_staff=True, email_verified_at=db_now()
    )
    return open_access(operator, actor=TESTER).value


def tokens(prefix: str) -> list[list[Any]]:
    """Return description, value, priority and the events' actions of each token whose description begins so."""
    rows = Token.objects.filter(description__startswith=prefix)
    return [[row.description, row.value, row.priority, _actions(f"token/{row.pk}")] for row in rows]


def presence() -> list[str]:
    """Return since when a manager has been serving without a break, and the database's time."""
    return [ManagerPresence.objects.get().since.isoformat(), db_now().isoformat()]


def history(days: int) -> dict[str, int]:
    """Let every customer have held a device, in pieces of 50 minutes; return each one's device-milliseconds."""
    end = settled_until()
    piece, sdas = timedelta(minutes=50), list(Sda.objects.order_by("pk"))
    rows = [
        Allocation(sda=sda, token_id=sda.token_id, device=device, started_at=at, ended_at=at + piece)
        for sda, device in zip(sdas, Device.objects.order_by("pk"), strict=False)
        for at in (end - number * piece for number in range(1, days * 24 * 60 // 50))
    ]
    Allocation.objects.bulk_create(rows)
    held_ms = piece // timedelta(milliseconds=1)
    return {str(sda.token_id): held_ms * (len(rows) // len(sdas)) for sda in sdas}


def enqueue_roll_up() -> None:
    """Enqueue the roll-up as beat does, twice."""
    for _time in range(2):
        roll_up.delay()


def hours() -> dict[str, Any]:
    """Return how many hours are closed and not yet closed, and each customer's device-ms in the closed ones."""
    first, closed = first_start(), ClosedHour.objects.count()
    assert first is not None
    begun = first.replace(minute=0, second=0, microsecond=0)
    sums = UsageHour.objects.order_by().values_list("token_id").annotate(Sum("device_ms"))
    return {"closed": closed, "open": (settled_until() - begun) // HOUR - closed, "held": dict(sums)}


def devices(node: str) -> list[list[str]]:
    """Return status and reason of a node's devices."""
    return [list(row) for row in Device.objects.filter(backend__name=node).values_list("status", "why")]


def begin_bulk_deletion(number: int) -> int:
    """Make tokens and agree to the deletion of all of them; return the number of the bulk action."""
    operator = Operator.objects.create(
        username=uuid4().hex, role=Role.GENERAL, is_staff=True, email_verified_at=db_now()
    )
    with transaction.atomic():  # one commit to wait for, not one for each
        made = [create_token(description=f"bulk {index}", actor=TESTER) for index in range(number)]
    order = bulks.BulkRequest("tokens.Token", "delete", [(token.pk, token.description) for token in made])
    return int(bulks.begin_bulk(order, operator=operator, actor=TESTER).pk)


def bulk(number: int) -> dict[str, Any]:
    """Return how far a bulk action is, its items' states, and how often each of its acts was done."""
    row = BulkAction.objects.get(pk=number)
    states = dict(row.items.order_by().values_list("state").annotate(Count("pk")))
    acts = Event.objects.filter(action="DELETE_TOKEN", request__bulk=number).order_by()
    times = set(acts.values_list("subject").annotate(n=Count("pk")).values_list("n", flat=True))
    return {"state": row.state, "done": row.done, "attempt": row.attempt, "items": states, "times": sorted(times)}


def enqueue_messages(url: str, number: int, keys: int) -> None:
    """Make a channel and enqueue test messages for it, numbered, each about one of some things."""
    channel, _secret = create_channel(name="crash", kind="WEBHOOK", url=url, actor=TESTER)
    made = [NewDelivery(channel.pk, "test", {"channel": str(one)}, f"thing/{one % keys}") for one in range(number)]
    with transaction.atomic():
        enqueue(made)


def deliveries() -> dict[str, int]:
    """Return how many deliveries are in each state."""
    return dict(Delivery.objects.order_by().values_list("state").annotate(Count("pk")))


VERBS_OF_JOBS = (seed, job, jobs, restless, broken, calm, preempted, power, drain_power, activate, action, devices)
OTHER_VERBS = (access, tokens, presence, history, enqueue_roll_up, hours, begin_bulk_deletion, bulk)
OF_OUTBOX = (enqueue_messages, deliveries)
VERBS: dict[str, Callable[..., Any]] = {verb.__name__: verb for verb in (*VERBS_OF_JOBS, *OTHER_VERBS, *OF_OUTBOX)}


def main() -> None:
    for line in sys.stdin:
        close_old_connections()  # the database may have been started again
        order = json.loads(line)
        act = partial(VERBS[order.pop("do")], **order)
        print(json.dumps(repeated(act)), flush=True)  # as every interface does


if __name__ == "__main__":
    main()
