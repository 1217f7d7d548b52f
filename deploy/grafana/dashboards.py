"""The dashboards in short: `python deploy/grafana/dashboards.py` writes the files that Grafana imports."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 12, 8  # of a panel; a row has 24
GROUP = ("group", "label_values(moreh_nodes, group)")
NODE = ("node", 'label_values(moreh_node_active{group=~"$group"}, node)')
TOKEN = ("token", "label_values(moreh_token_devices, token_id)")


class Panel(NamedTuple):
    """A graph: its title, the unit of Grafana, the expression and what each line is called."""

    title: str
    unit: str
    expr: str
    legend: str = ""


def quantile(name: str, by: str, chosen: str = "", share: float = 0.95) -> str:
    """Return the expression of a quantile of a histogram."""
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({name}_bucket{chosen}[$__rate_interval])))"


IN_GROUP, OF_NODE, OF_TOKEN = '{group=~"$group"}', '{node=~"$node"}', '{token_id=~"$token"}'
IDLE = 'moreh_device_state{status="IDLE"}'
FLEET = (
    Panel("Nodes by what they are good for now", "short", "moreh_fleet_nodes", "{{use}}"),
    Panel("Devices by what they are good for now", "short", "moreh_fleet_devices", "{{use}}"),
    Panel("Devices by status", "short", f"sum by (status) (moreh_devices{IN_GROUP})", "{{status}}"),
    Panel(
        "Share of devices in use",
        "percentunit",
        'sum(moreh_fleet_devices{use="in-use"}) / sum(moreh_fleet_devices)',
        "in use",
    ),
    Panel("Devices by health", "short", f"sum by (verdict) (moreh_device_verdicts{IN_GROUP})", "{{verdict}}"),
    Panel("Findings about devices", "short", "moreh_findings", "{{code}}"),
    Panel("Utilization", "percentunit", f"avg by (group) (moreh_device_utilization_ratio{IN_GROUP})", "{{group}}"),
    Panel("Hottest devices", "celsius", f"topk(10, moreh_device_temperature_celsius{IN_GROUP})", "{{node}}/{{device}}"),
    Panel("Open repairs", "short", "moreh_repairs", "{{state}}"),
    Panel("Groups whose repairs wait", "short", f"moreh_repair_breaker_open{IN_GROUP}", "{{group}}"),
    Panel("Open alerts", "short", "moreh_alerts_open", "{{level}}"),
    Panel("Agents by version", "short", f"count by (version) (moreh_node_agent_info{IN_GROUP})", "{{version}}"),
)
ONE_NODE = (
    Panel("Temperature", "celsius", f"moreh_device_temperature_celsius{OF_NODE}", "{{node}}/{{device}}"),
    Panel(
        "Temperature of memory", "celsius", f"moreh_device_memory_temperature_celsius{OF_NODE}", "{{node}}/{{device}}"
    ),
    Panel("Utilization", "percentunit", f"moreh_device_utilization_ratio{OF_NODE}", "{{node}}/{{device}}"),
    Panel(
        "Utilization of memory", "percentunit", f"moreh_device_memory_utilization_ratio{OF_NODE}", "{{node}}/{{device}}"
    ),
    Panel("Used memory", "bytes", f"moreh_device_memory_used_bytes{OF_NODE}", "{{node}}/{{device}}"),
    Panel(
        "Share of memory in use",
        "percentunit",
        f"moreh_device_memory_used_bytes{OF_NODE} / moreh_device_memory_size_bytes{OF_NODE}",
        "{{node}}/{{device}}",
    ),
    Panel("Power of devices", "watt", f"moreh_device_power_watts{OF_NODE}", "{{node}}/{{device}}"),
    Panel(
        "Devices by status", "short", f"count by (node, status) (moreh_device_state{OF_NODE})", "{{node}} {{status}}"
    ),
    Panel("CPU", "percentunit", f"moreh_node_cpu_utilization_ratio{OF_NODE}", "{{node}}"),
    Panel(
        "Memory of the host in use",
        "percentunit",
        f"moreh_node_memory_used_bytes{OF_NODE} / moreh_node_memory_size_bytes{OF_NODE}",
        "{{node}}",
    ),
    Panel("Since the agent was heard", "s", f"moreh_node_agent_age_seconds{OF_NODE}", "{{node}}"),
    Panel("In service", "bool", f"moreh_node_active{OF_NODE}", "{{node}}"),
)
QUEUE = (
    Panel("Jobs by status", "short", f"sum by (status) (moreh_jobs{IN_GROUP})", "{{status}}"),
    Panel("Why jobs wait", "short", f"sum by (reason) (moreh_queue_jobs{IN_GROUP}) > 0", "{{reason}}"),
    Panel("Devices that waiting jobs need", "short", f"sum by (group) (moreh_queue_devices{IN_GROUP})", "{{group}}"),
    Panel("Oldest waiting job", "s", f"moreh_queue_oldest_wait_seconds{IN_GROUP}", "{{group}}"),
    Panel(
        "Wait of jobs that got devices, 95 %", "s", quantile("moreh_job_wait_seconds", "group", IN_GROUP), "{{group}}"
    ),
    Panel("The same, half of them", "s", quantile("moreh_job_wait_seconds", "group", IN_GROUP, 0.5), "{{group}}"),
    Panel(
        "Jobs that got devices, per second",
        "short",
        f"sum by (group) (rate(moreh_job_wait_seconds_count{IN_GROUP}[$__rate_interval]))",
        "{{group}}",
    ),
    Panel(
        "Scheduling cycles, 95 %",
        "s",
        "histogram_quantile(0.95, sum by (le) (rate(moreh_tick_duration_seconds_bucket[$__rate_interval])))",
        "cycle",
    ),
)
CUSTOMER = (
    Panel("Devices held", "short", f"sum by (token_id) (moreh_token_devices{OF_TOKEN})", "token {{token_id}}"),
    Panel("Devices held, by group", "short", f"sum by (group) (moreh_token_devices{OF_TOKEN})", "{{group}}"),
    Panel("Tokens that hold most", "short", "topk(10, sum by (token_id) (moreh_token_devices))", "token {{token_id}}"),
    Panel(
        "Devices held on average",
        "short",
        f"rate(moreh_token_device_seconds_total{OF_TOKEN}[15m])",
        "token {{token_id}}",
    ),
    Panel(
        "Device-hours in the chosen time",
        "short",
        f"increase(moreh_token_device_seconds_total{OF_TOKEN}[$__range]) / 3600",
        "token {{token_id}}",
    ),
    Panel("Devices held, by SDA model", "short", "rate(moreh_sda_model_device_seconds_total[15m])", "{{sda_model}}"),
    Panel("Devices held, by backend group", "short", "rate(moreh_group_device_seconds_total[15m])", "{{group}}"),
    Panel("Devices held, by phase", "short", "rate(moreh_device_seconds_total[15m])", "{{phase}}"),
)
POWER = (
    Panel("Nodes that are on", "short", f"sum by (group) (moreh_node_power_on{IN_GROUP})", "{{group}}"),
    Panel(
        "BMCs that do not answer",
        "short",
        f"count by (group) (moreh_node_bmc_reachable{IN_GROUP}) - sum by (group) (moreh_node_bmc_reachable{IN_GROUP})",
        "{{group}}",
    ),
    Panel("Power of devices", "watt", f"sum by (group) (moreh_device_power_watts{IN_GROUP})", "{{group}}"),
    Panel(
        "Power of idle devices",
        "watt",
        f"sum by (group) (moreh_device_power_watts{IN_GROUP} and on (node, device) {IDLE})",
        "{{group}}",
    ),
    Panel("Power by model", "watt", f"avg by (model) (moreh_device_power_watts{IN_GROUP})", "{{model}}, each"),
    Panel("Nodes that draw most", "watt", f"topk(10, sum by (node) (moreh_device_power_watts{IN_GROUP}))", "{{node}}"),
)
PRODUCT = (
    Panel("Processes", "short", "moreh_processes", "{{process}}"),
    Panel("Memory of processes", "bytes", "moreh_process_resident_memory_bytes", "{{process}}"),
    Panel("Since a sign of life", "s", "moreh_process_age_seconds", "{{process}}"),
    Panel("Since periodic work was done", "s", "moreh_periodic_age_seconds", "{{work}}"),
    Panel("The fallback ticks the queues", "bool", "moreh_tick_fallback", "fallback"),
    Panel(
        "Requests per second",
        "reqps",
        "sum by (status) (rate(moreh_http_request_duration_seconds_count[$__rate_interval]))",
        "{{status}}",
    ),
    Panel(
        "Slowest routes, 95 %",
        "s",
        f"topk(10, {quantile('moreh_http_request_duration_seconds', 'method, route')})",
        "{{method}} {{route}}",
    ),
    Panel("gRPC calls, 95 %", "s", quantile("moreh_grpc_call_duration_seconds", "method"), "{{method}}"),
    Panel(
        "gRPC calls per second",
        "reqps",
        "sum by (method, code) (rate(moreh_grpc_calls_total[$__rate_interval]))",
        "{{method}} {{code}}",
    ),
    Panel("Open gRPC streams", "short", "sum by (method) (moreh_grpc_streams)", "{{method}}"),
    Panel("Tasks, 95 %", "s", quantile("moreh_task_duration_seconds", "task"), "{{task}}"),
    Panel("Tasks per second", "ops", "sum by (outcome) (rate(moreh_tasks_total[$__rate_interval]))", "{{outcome}}"),
    Panel("Statements, 95 %", "s", quantile("moreh_database_statement_duration_seconds", "verb"), "{{verb}}"),
    Panel(
        "Statements per second",
        "ops",
        "sum by (verb) (rate(moreh_database_statement_duration_seconds_count[$__rate_interval]))",
        "{{verb}}",
    ),
    Panel("Database connections", "short", "moreh_database_pool_connections", "{{process}} {{state}}"),
    Panel("Database connections at most", "short", "moreh_database_pool_limit", "{{process}}"),
    Panel("Threads that wait for a connection", "short", "moreh_database_pool_waiting", "{{process}}"),
    Panel("Steps of repairs in an hour", "short", "increase(moreh_repair_steps_total[1h])", "{{step}} {{outcome}}"),
    Panel("Inconsistent rows", "short", "increase(moreh_inconsistencies_total[1h])", "{{kind}}"),
)
DASHBOARDS = {
    "fleet": ("Fleet", FLEET, (GROUP,)),
    "node": ("Node", ONE_NODE, (GROUP, NODE)),
    "queue": ("Queue", QUEUE, (GROUP,)),
    "customer": ("Customer", CUSTOMER, (TOKEN,)),
    "power": ("Power", POWER, (GROUP,)),
    "product": ("The product itself", PRODUCT, ()),
}


def dashboard(name: str) -> str:
    """Return the file of a dashboard, with one panel a line."""
    title, panels, variables = DASHBOARDS[name]
    head = {
        "uid": f"moreh-{name}",
        "title": f"Moreh Cloud: {title}",
        "tags": ["moreh-cloud"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source(), *(_variable(*one) for one in variables)]},
    }
    lines = ",\n".join(f"    {json.dumps(panel)}" for panel in _panels(panels))
    return f'{json.dumps(head, indent=2)[:-2]},\n  "panels": [\n{lines}\n  ]\n}}\n'


def _source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panels(panels: tuple[Panel, ...]) -> Iterator[dict[str, Any]]:
    for place, panel in enumerate(panels):
        row, column = divmod(place, 24 // WIDTH)
        yield {
            "id": place + 1,
            "type": "timeseries",
            "title": panel.title,
            "datasource": SOURCE,
            "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
            "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
            "targets": [{"refId": "A", "datasource": SOURCE, "expr": panel.expr, "legendFormat": panel.legend}],
        }


if __name__ == "__main__":
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(dashboard(name))
