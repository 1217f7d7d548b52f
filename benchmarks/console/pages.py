"""The console's pages that are measured; a new page is one line more."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """A name and an address, in which {node} and {token} stand for the numbers of some rows."""

    name: str
    address: str


PAGES = (
    Page("node grid", "/admin/console/nodes/"),
    Page("node grid, one customer", "/admin/console/nodes/?token={token}"),
    Page("node grid, by text", "/admin/console/nodes/?q=gpu-0004"),
    Page("heat map", "/admin/console/heat/"),
    Page("heat map, squares", "/admin/console/heat/nodes"),
    Page("heat map, who", "/admin/console/heat/holders"),
    Page("node", "/admin/backends/backend/{node}/change/"),
    Page("list of nodes", "/admin/backends/backend/"),
)
