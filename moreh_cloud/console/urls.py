from django.urls import path

from moreh_cloud.console.live import views as live
from moreh_cloud.console.pages import heat, nodes
from moreh_cloud.console.pages.frame import for_operators

app_name = "console"
urlpatterns = [
    path("live/stream", for_operators(live.stream), name="live-stream"),
    path("live/pulse", for_operators(live.pulse), name="live-pulse"),
    path("nodes/", for_operators(nodes.node_grid), name="nodes"),
    path("heat/", for_operators(heat.heat_map), name="heat"),
    path("heat/nodes", for_operators(heat.nodes), name="heat-nodes"),
    path("heat/holders", for_operators(heat.holders), name="heat-holders"),
]
