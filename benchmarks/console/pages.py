"""The console's pages that are measured; a new page is one line more."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """A name and an address, in which {node}, {token}, {job} and {past} stand for the numbers of some rows."""

    name: str
    address: str


PAGES = (
    Page("home", "/admin/"),
    Page("home, cards", "/admin/console/home/cards"),
    Page("home, usage by token", "/admin/console/home/top"),
    Page("home, devices in use", "/admin/console/home/devices"),
    Page("home, queue", "/admin/console/home/queue"),
    Page("node grid", "/admin/console/nodes/"),
    Page("node grid, one customer", "/admin/console/nodes/?token={token}"),
    Page("node grid, by text", "/admin/console/nodes/?q=gpu-0004"),
    Page("heat map", "/admin/console/heat/"),
    Page("heat map, squares", "/admin/console/heat/nodes"),
    Page("heat map, who", "/admin/console/heat/holders"),
    Page("node", "/admin/backends/backend/{node}/change/"),
    Page("list of nodes", "/admin/backends/backend/"),
    Page("jobs", "/admin/console/jobs/"),
    Page("jobs, list", "/admin/scheduler/job/"),
    Page("job that waits", "/admin/scheduler/job/{job}/change/"),
    Page("what if, two nodes drained", "/admin/console/what-if/?drain=gpu-0004*"),
    Page("history", "/admin/console/history/"),
    Page("history, in its middle", "/admin/console/history/?after={past}"),
    Page("history, one customer", "/admin/console/history/?token={token}"),
    Page("timeline by node", "/admin/console/history/timeline/"),
    Page("timeline by customer", "/admin/console/history/timeline/?by=token"),
    Page("who may use what", "/admin/console/access/"),
    Page("list of tokens", "/admin/tokens/token/"),
    Page("token", "/admin/tokens/token/{token}/change/"),
    Page("usage", "/admin/console/usage/"),
    Page("usage, chart", "/admin/console/usage/chart"),
    Page("usage, 7 days", "/admin/console/usage/?range=7d"),
    Page("usage, month by group", "/admin/console/usage/?range=last-month&by=group"),
    Page("usage, a year", "/admin/console/usage/?start={year_ago}&end={today}"),
    Page("usage of one customer", "/admin/console/usage/?token={token}"),
    Page("events", "/admin/events/event/"),
    Page("search", "/admin/search/?s=gpu-0004"),
)
LIST = "list of nodes"
STOCK = "/admin/plain/node/"
