"""docs/metrics.md says what is told: no metric is missing, none is made up, types and labels are true."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.moreh_cloud.metrics.scrape import KEY, ask, body
from tests.moreh_cloud.metrics.world import populate
from tests.rpc.certificates import Authority

ROW = re.compile(r"^\| `(moreh_\w+)` \| (\w+) \| (.+?) \| (\w+) \|", re.MULTILINE)
NO_LABELS = "-"
TOLD = Path(__file__).parents[3] / "docs/metrics.md"


@pytest.mark.django_db
def test_every_metric_is_documented_with_its_type_and_labels(settings: Any, tmp_path: Path) -> None:
    settings.MOREH_METRICS_KEY = KEY
    settings.MOREH_CERTIFICATES = (tmp_path / "web.pem",)
    settings.MOREH_CERTIFICATES[0].write_bytes(Authority("cloud").pem)
    populate()
    families = list(text_string_to_metric_families(body(ask()).decode()))
    told = {
        _name(family, sample): (family.type, {f"`{label}`" for label in sample.labels} - {"`le`"})
        for family in families
        for sample in family.samples
    }
    rows = ROW.findall(TOLD.read_text())
    documented = {name: (kind, set(labels.split(", ")) - {NO_LABELS}) for name, kind, labels, _unit in rows}
    assert documented == told
    assert all(family.documentation for family in families)


def _name(family: Any, sample: Any) -> str:
    return str(family.name if family.type == "histogram" else sample.name)
