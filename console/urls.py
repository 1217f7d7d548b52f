from django.urls import path

from console.live import views as live
from console.pages import (
    access,
    exports,
    filters,
    heat,
    history,
    home,
    job_log,
    jobs,
    metrics,
    nodes,
    priority_change,
    telemetry,
    timeline,
    usage,
    usage_file,
    whatif,
)
from console.pages.base_page import for_operators
from console.pages.filters import has_saved_filters

app_name = "console"
urlpatterns = [
    path("access/", for_operators(access.page), name="access"),
    path("access/tokens", for_operators(access.tokens), name="access-tokens"),
    path("access/question", for_operators(access.preview), name="access-question"),
    path("live/stream", for_operators(live.stream), name="live-stream"),
    path("live/pulse", for_operators(live.pulse), name="live-pulse"),
    path("home/cards", for_operators(home.cards), name="home-cards"),
    path("home/alerts", for_operators(home.alerts), name="home-alerts"),
    path("home/maintenance", for_operators(home.maintenance), name="home-maintenance"),
    path("home/top", for_operators(home.top), name="home-top"),
    path("home/devices", for_operators(home.devices_chart), name="home-devices"),
    path("home/queue", for_operators(home.queue_chart), name="home-queue"),
    path("usage/", for_operators(usage.page), name="usage"),
    path("usage/chart", for_operators(usage.chart), name="usage-chart"),
    path("usage/file.<str:kind>", for_operators(usage_file.file), name="usage-file"),
    path("nodes/", for_operators(has_saved_filters(nodes.node_grid)), name="nodes"),
    path("heat/", for_operators(has_saved_filters(heat.heat_map)), name="heat"),
    path("heat/nodes", for_operators(heat.nodes), name="heat-nodes"),
    path("heat/holders", for_operators(heat.holders), name="heat-holders"),
    path("jobs/", for_operators(has_saved_filters(jobs.jobs)), name="jobs"),
    path("jobs/<int:pk>/outlook", for_operators(priority_change.preview), name="job-outlook"),
    path("jobs/<int:pk>/log", for_operators(job_log.pieces), name="job-log"),
    path("jobs/<int:pk>/log.txt", for_operators(job_log.file), name="job-log-file"),
    path("what-if/", for_operators(whatif.what_if), name="what-if"),
    path("telemetry/node/<int:pk>/<str:column>", for_operators(telemetry.node), name="telemetry-node"),
    path("telemetry/device/<int:pk>/<str:column>", for_operators(telemetry.device), name="telemetry-device"),
    path("telemetry/job/<int:pk>/<str:column>", for_operators(telemetry.job), name="telemetry-job"),
    path("metrics/", for_operators(metrics.metrics), name="metrics"),
    path("history/", for_operators(has_saved_filters(history.history)), name="history"),
    path("history/export.<str:kind>", for_operators(exports.export), name="history-export"),
    path("history/timeline/", for_operators(has_saved_filters(timeline.timeline)), name="timeline"),
    path("filters/save", for_operators(filters.save), name="filter-save"),
    path("filters/<int:pk>", for_operators(filters.change), name="filter-change"),
]
