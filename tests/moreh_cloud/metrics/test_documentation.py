"""docs/metrics.md says what is told: no metric is missing, none is made up, types and labels are true."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import make
from tests.moreh_cloud.console.world import HOUR, NINE, hold
from tests.moreh_cloud.metrics.scrape import KEY, ask

ROW = re.compile(r"^\| `(moreh_\w+)` \| (\w+) \| (.+?) \| (\w+) \|", re.MULTILINE)
TOLD = Path(__file__).parents[3] / "docs/metrics.md"


@pytest.mark.django_db
def test_every_metric_is_documented_with_its_type_and_labels(settings: Any) -> None:
    settings.MOREH_METRICS_KEY = KEY
    hold(make.token(), make.backend(1), NINE, NINE + HOUR)
    families = list(text_string_to_metric_families(ask().content.decode()))
    told = {
        sample.name: (family.type, {f"`{label}`" for label in sample.labels})
        for family in families
        for sample in family.samples
    }
    documented = {name: (kind, set(labels.split(", "))) for name, kind, labels, _unit in ROW.findall(TOLD.read_text())}
    assert documented == told
    assert all(family.documentation for family in families)
