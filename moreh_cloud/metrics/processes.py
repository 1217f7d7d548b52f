"""What all processes have counted together, as metrics."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from core.measures import Counter, Counts, Gauge, Histogram, Measure
from liveness.queries import read_counts
from moreh_cloud.metrics.queries import Groups

DEFINED_IN = (  # so that a server that does not count them itself tells them
    "moreh_cloud.celery",
    "moreh_cloud.middleware.measured",
    "moreh_cloud.metrics.recorder",
    "moreh_cloud.rpc.measured",
    "outbox.services.outcomes",
    "scheduler.cycle.tick",
    "scheduler.cycle.waits",
    "scheduler.reconcile.checks",
)


def process_metrics(known: Groups) -> Iterator[Metric]:
    """Yield what processes have counted since the installation began, and what those have that are there now."""
    for name in DEFINED_IN:
        import_module(name)
    told = read_counts()
    processes = GaugeMetricFamily("moreh_processes", "Processes that are there, by kind.", labels=["process"])
    for kind, number in told.processes.items():
        processes.add_metric([kind], number)
    yield processes
    for measure in Measure.every.values():
        if isinstance(measure, Gauge):
            yield _gauge(measure, told.gauges)
        elif isinstance(measure, Counter):
            yield _counter(measure, _named(measure, told.counts, known))
        elif isinstance(measure, Histogram):
            yield _histogram(measure, _named(measure, told.counts, known))


def _named(measure: Measure, counts: Counts, known: Groups) -> Mapping[tuple[str, ...], list[float]]:
    """Return the numbers of a measure by its labels; groups are counted by id and told by name."""
    names = {str(pk): name for pk, name in known.names.items()}
    found: dict[tuple[str, ...], list[float]] = {}
    for labels, numbers in counts.get(measure.name, ()):
        if len(numbers) != measure.width or len(labels) != len(measure.labels):
            continue  # of another version
        pairs = zip(measure.labels, labels, strict=True)
        key = tuple(names.get(value, value) if label == "group" else value for label, value in pairs)
        found[key] = [one + other for one, other in zip(found.get(key, [0.0] * len(numbers)), numbers, strict=True)]
    return found


def _gauge(measure: Gauge, gauges: Mapping[str, Counts]) -> Metric:
    family = GaugeMetricFamily(measure.name, measure.text, labels=["process", *measure.labels])
    for process, counts in gauges.items():
        for labels, numbers in counts.get(measure.name, ()):
            family.add_metric([process, *labels], numbers[0])
    return family


def _counter(measure: Counter, numbers: Mapping[tuple[str, ...], list[float]]) -> Metric:
    family = CounterMetricFamily(measure.name.removesuffix("_total"), measure.text, labels=measure.labels)
    for labels, (number,) in numbers.items():
        family.add_metric(labels, number)
    return family


def _histogram(measure: Histogram, numbers: Mapping[tuple[str, ...], list[float]]) -> Metric:
    family = HistogramMetricFamily(measure.name, measure.text, labels=measure.labels)
    for labels, (*times, total) in numbers.items():
        sums = [sum(times[: place + 1]) for place in range(len(times))]
        bounds = [*(str(bound) for bound in measure.bounds), "+Inf"]
        family.add_metric(labels, list(zip(bounds, sums, strict=True)), total)
    return family
