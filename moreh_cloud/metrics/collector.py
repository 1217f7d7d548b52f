"""Each metric with its name, help and labels. Nothing is kept in the process: all is read when it is asked for."""

from collections.abc import Iterator
from typing import TypeVar

from django.conf import settings
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from moreh_cloud.console.queries.uses import count_uses
from moreh_cloud.lib.clock import db_now
from moreh_cloud.metrics import queries
from moreh_cloud.metrics.device_time import device_time
from moreh_cloud.metrics.queries import Groups, Values

Family = TypeVar("Family", GaugeMetricFamily, CounterMetricFamily)
GROUP, STATUS, USE = ["group"], ["group", "status"], ["use"]


class Installation(Collector):
    """Everything that an installation tells."""

    def collect(self) -> Iterator[Metric]:
        known = queries.groups()
        yield from _fleet(known)
        yield from _work(known)
        yield from _device_time(known)


def _fleet(known: Groups) -> Iterator[Metric]:
    """Nodes and devices: what state they are in, and what they are good for now."""
    nodes, devices = map(queries.by_use, count_uses(db_now()))
    yield _filled(GaugeMetricFamily("moreh_nodes", "Nodes by status.", labels=STATUS), queries.nodes(known))
    yield _filled(GaugeMetricFamily("moreh_devices", "Devices by status.", labels=STATUS), queries.devices(known))
    yield _filled(GaugeMetricFamily("moreh_fleet_nodes", "Nodes by what they are good for now.", labels=USE), nodes)
    text = "Devices by what they are good for now."
    yield _filled(GaugeMetricFamily("moreh_fleet_devices", text, labels=USE), devices)


def _work(known: Groups) -> Iterator[Metric]:
    """Jobs, how long they wait, and what operators must look at."""
    yield _filled(GaugeMetricFamily("moreh_jobs", "Live jobs by status.", labels=STATUS), queries.jobs(known))
    text = "Time since the request of the waiting job that was requested first; 0 when none waits."
    oldest = GaugeMetricFamily("moreh_queue_oldest_wait_seconds", text, labels=GROUP, unit="seconds")
    yield _filled(oldest, queries.oldest_waits(known, db_now()))
    yield _filled(GaugeMetricFamily("moreh_alerts_open", "Open alerts.", labels=["level"]), queries.open_alerts())


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


def _seconds(name: str, of_whom: str, label: str) -> CounterMetricFamily:
    text = f"Device-time that was held, {of_whom}, until two minutes ago."
    return CounterMetricFamily(name, text, labels=[label], unit="seconds")


def _filled(family: Family, values: Values) -> Family:
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
