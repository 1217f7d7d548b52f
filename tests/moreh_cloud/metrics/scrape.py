"""What Prometheus would read at /metrics."""

from collections.abc import Mapping
from typing import Any

from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

URL, KEY = "/metrics", "metrics-key-of-tests"
Series = Mapping[tuple[str, ...], float]


def ask(key: str = KEY, **headers: str) -> Any:
    return Client().get(URL, headers={"authorization": f"Bearer {key}", **headers})


def body(answer: Any) -> bytes:
    """Return the whole answer, which comes in pieces."""
    return b"".join(answer) if answer.streaming else bytes(answer.content)


def scrape() -> Mapping[str, Series]:
    """Read every series: by its name and the values of its labels, in the order of the labels' names."""
    answer = ask()
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(body(answer).decode()):
        for sample in family.samples:
            labels = tuple(value for _name, value in sorted(sample.labels.items()))
            series = found.setdefault(sample.name, {})
            assert labels not in series, "twice the same series: Prometheus would refuse all of them"
            series[labels] = sample.value
    return found


def some(series: Series) -> Series:
    """Leave out what there is none of."""
    return {labels: value for labels, value in series.items() if value}
