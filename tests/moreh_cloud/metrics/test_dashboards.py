"""Rules and dashboards name only series that exist; the rules do what their tests say."""

import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests.moreh_cloud.metrics.files import GRAFANA, RULE_TESTS, RULES, SERIES, dashboards, panels, rules, variables
from tests.moreh_cloud.metrics.scrape import KEY, scrape
from tests.moreh_cloud.metrics.world import populate

pytestmark = pytest.mark.only_sqlite


@pytest.mark.django_db
def test_every_expression_names_only_series_that_there_are(settings: Any) -> None:
    settings.MOREH_METRICS_KEY = KEY
    populate()
    told = set(scrape())
    exprs = [expr for _title, expr in (*panels(), *variables())] + [rule["expr"] for rule in rules()]
    named = {name for expr in exprs for name in SERIES.findall(expr)}
    assert named - told == set()


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], capture_output=True, text=True, check=False, cwd=RULES.parent)


def test_the_rules_are_valid_and_do_what_their_tests_say() -> None:
    checked = promtool("check", "rules", RULES.name)
    assert checked.stdout.split("\n")[1].strip() == f"SUCCESS: {len(rules())} rules found"
    tested = promtool("test", "rules", RULE_TESTS.name)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_rule_has_a_test() -> None:
    tests = yaml.safe_load(RULE_TESTS.read_text())["tests"]
    alerts = {case["alertname"] for test in tests for case in test.get("alert_rule_test", ())}
    records = {case["expr"] for test in tests for case in test.get("promql_expr_test", ())}
    assert {rule["alert"] for rule in rules() if "alert" in rule} == alerts
    assert {rule["record"] for rule in rules() if "record" in rule} == records


def test_the_dashboards_are_those_of_their_description(tmp_path: Any) -> None:
    before = {path.name: path.read_text() for path in GRAFANA.glob("*.json")}
    script = tmp_path / "dashboards.py"
    script.write_text((GRAFANA / "dashboards.py").read_text())
    subprocess.run([sys.executable, str(script)], check=True)
    assert {path.name: path.read_text() for path in tmp_path.glob("*.json")} == before
    assert sorted(dashboards()) == ["customer", "fleet", "node", "power", "product", "queue"]


def test_dashboards_differ_in_name_and_their_panels_in_place() -> None:
    found = dashboards()
    assert len({one["uid"] for one in found.values()}) == len(found)
    for one in found.values():
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in one["panels"]]
        assert len(set(places)) == len(places) == len({panel["id"] for panel in one["panels"]})
