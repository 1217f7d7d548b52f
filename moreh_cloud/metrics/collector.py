"""Each metric with its name, help and labels. Nothing is kept in the process: all is read when it is asked for."""

from collections.abc import Iterator
from typing import TypeVar

from django.conf import settings
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.clock import db_now
from moreh_cloud.metrics import queries
from moreh_cloud.metrics.device_time import device_time
from moreh_cloud.metrics.processes import process_metrics
from moreh_cloud.metrics.queries import Groups, Values
from moreh_cloud.selfcheck.certificates import certificate_files
from moreh_cloud.selfcheck.disks import disks
from scheduler.queries.counts import count_availability

Family = TypeVar("Family", GaugeMetricFamily, CounterMetricFamily)
GROUP, STATUS, REASON, USE = ["group"], ["group", "status"], ["group", "reason"], ["use"]


class Installation(Collector):
    """Everything that an installation tells."""

    def collect(self) -> Iterator[Metric]:
        known = queries.groups()
        yield from _fleet(known)
        yield from _work(known)
        yield from _repairs(known)
        yield from _outbox()
        yield from _device_time(known)
        yield from _liveness()
        yield from _places()
        yield from process_metrics(known)


def _fleet(known: Groups) -> Iterator[Metric]:
    """Nodes and devices: what state they are in, and what they are good for now."""
    nodes, devices = map(queries.by_use, count_availability(db_now()))
    yield _filled(GaugeMetricFamily("moreh_nodes", "Nodes by status.", labels=STATUS), queries.nodes(known))
    yield _filled(GaugeMetricFamily("moreh_devices", "Devices by status.", labels=STATUS), queries.devices(known))
    yield _filled(GaugeMetricFamily("moreh_fleet_nodes", "Nodes by what they are good for now.", labels=USE), nodes)
    text = "Devices by health verdict."
    yield _filled(
        GaugeMetricFamily("moreh_device_verdicts", text, labels=["group", "verdict"]), queries.verdicts(known)
    )
    text = "Findings about devices that hold now; a code of which there is none is absent."
    yield _filled(GaugeMetricFamily("moreh_findings", text, labels=["code"]), queries.findings())
    text = "Devices by what they are good for now."
    yield _filled(GaugeMetricFamily("moreh_fleet_devices", text, labels=USE), devices)


def _work(known: Groups) -> Iterator[Metric]:
    """Jobs, how long they wait, and what operators must look at."""
    yield _filled(GaugeMetricFamily("moreh_jobs", "Live jobs by status.", labels=STATUS), queries.jobs(known))
    text = "Time since the request of the waiting job that was requested first; 0 when none waits."
    oldest = GaugeMetricFamily("moreh_queue_oldest_wait_seconds", text, labels=GROUP, unit="seconds")
    yield _filled(oldest, queries.oldest_waits(known, db_now()))
    jobs, devices = queries.queue(known)
    text = "Waiting jobs by the reason why they wait."
    yield _filled(GaugeMetricFamily("moreh_queue_jobs", text, labels=REASON), jobs)
    text = "Devices that waiting jobs need, by the reason why they wait."
    yield _filled(GaugeMetricFamily("moreh_queue_devices", text, labels=REASON), devices)
    yield _filled(GaugeMetricFamily("moreh_alerts_open", "Open alerts.", labels=["level"]), queries.open_alerts())


def _repairs(known: Groups) -> Iterator[Metric]:
    """Repairs of nodes: how many are in which state, what their steps came to, and which groups have too many."""
    yield _filled(GaugeMetricFamily("moreh_repairs", "Open repairs by state.", labels=["state"]), queries.repairs())
    text = "Steps of repairs that were begun, planned or skipped, by what they do and how they are or ended."
    steps = CounterMetricFamily("moreh_repair_steps", text, labels=["step", "outcome"])
    yield _filled(steps, queries.repair_steps())
    text = "Whether repairs of the group wait because too many of its nodes are in repair (1) or not (0)."
    yield _filled(GaugeMetricFamily("moreh_repair_breaker_open", text, labels=GROUP), queries.repair_breakers(known))


def _outbox() -> Iterator[Metric]:
    """What channels are still to get."""
    pending, ages = queries.outbox_backlog(db_now())
    text = "Deliveries of the channel that wait or are being sent."
    yield _filled(GaugeMetricFamily("moreh_outbox_pending", text, labels=["channel"]), pending)
    text = "Time since the oldest of them was due; 0 when none is."
    yield _filled(GaugeMetricFamily("moreh_outbox_oldest_age_seconds", text, labels=["channel"], unit="seconds"), ages)


def _device_time(known: Groups) -> Iterator[Metric]:
    """Device-time, summed in four ways out of one reading."""
    tokens: bool = settings.MOREH_METRICS_TOKENS
    used, models = device_time(tokens=tokens), queries.model_names()
    yield _filled(_seconds("moreh_device_seconds", "in all", "phase"), used.phases())
    yield _filled(
        _seconds("moreh_group_device_seconds", "by backend group", "group"), used.seconds(0, known.names.__getitem__)
    )
    by_model = _seconds("moreh_sda_model_device_seconds", "by SDA model", "sda_model")
    yield _filled(by_model, used.seconds(1, models.__getitem__))
    if tokens:
        yield _filled(_seconds("moreh_token_device_seconds", "by token", "token_id"), used.seconds(2, str))
        text = "Devices that the token holds now, by group; absent where it holds none."
        held = GaugeMetricFamily("moreh_token_devices", text, labels=["token_id", "group"])
        yield _filled(held, queries.token_devices(known))


def _liveness() -> Iterator[Metric]:
    """Background processes and periodic work: how long ago each was last seen to; what never was is absent."""
    processes, work, fallback = queries.ages()
    text = "Time since a background process of this kind last gave a sign of life."
    yield _filled(GaugeMetricFamily("moreh_process_age_seconds", text, labels=["process"], unit="seconds"), processes)
    text = "Time since periodic work was last done, by a worker or by who stepped in."
    yield _filled(GaugeMetricFamily("moreh_periodic_age_seconds", text, labels=["work"], unit="seconds"), work)
    text = "Whether the queues are ticked by others than the workers (1) or not (0)."
    yield _filled(GaugeMetricFamily("moreh_tick_fallback", text), fallback)


def _places() -> Iterator[Metric]:
    """Disks, and certificates in files, as the process that is scraped sees them."""
    text = "Used part of the disk under the data folder or the database, from 0 to 1."
    full = GaugeMetricFamily("moreh_disk_used_ratio", text, labels=["disk"], unit="ratio")
    yield _filled(full, {(disk.name,): disk.used for disk in disks()})
    text = "When the first certificate in a file expires, in seconds since 1970; absent if it cannot be read."
    ends = GaugeMetricFamily("moreh_certificate_expiry_timestamp_seconds", text, labels=["file"], unit="seconds")
    known = {(str(one.path),): one.expires_at.timestamp() for one in certificate_files() if one.expires_at}
    yield _filled(ends, known)


def _seconds(name: str, of_whom: str, label: str) -> CounterMetricFamily:
    text = f"Device-time that was held, {of_whom}, until two minutes ago."
    return CounterMetricFamily(name, text, labels=[label], unit="seconds")


def _filled(family: Family, values: Values) -> Family:
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
