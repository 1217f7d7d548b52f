"""The rules and dashboards that the product delivers, and their expressions."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
RULES, RULE_TESTS = DEPLOY / "prometheus/rules.yml", DEPLOY / "prometheus/rules_test.yml"
GRAFANA = DEPLOY / "grafana"
VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$group": ".*", "$node": ".*", "$token": ".*"}
SERIES = re.compile(r"\bmoreh_\w+")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def dashboards() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(GRAFANA.glob("*.json"))}


def panels() -> Iterator[tuple[str, str]]:
    """Yield each panel by dashboard and title, with its expression as Prometheus would get it."""
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield f"{name}: {panel['title']}", filled(target["expr"])


def variables() -> Iterator[tuple[str, str]]:
    """Yield what the variables of dashboards are read from."""
    for name, dashboard in dashboards().items():
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                inside = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"]["query"])
                assert inside, variable
                yield f"{name}: ${variable['name']}", filled(inside[1])


def filled(expr: str) -> str:
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, expr
    return expr
