from django.urls import path

from moreh_cloud.console.live import views as live
from moreh_cloud.console.pages import exports, history, jobs, moves, timeline
from moreh_cloud.console.pages.frame import for_operators

app_name = "console"
urlpatterns = [
    path("live/stream", for_operators(live.stream), name="live-stream"),
    path("live/pulse", for_operators(live.pulse), name="live-pulse"),
    path("jobs/", for_operators(jobs.jobs), name="jobs"),
    path("jobs/<int:pk>/outlook", for_operators(moves.outlook), name="job-outlook"),
    path("history/", for_operators(history.history), name="history"),
    path("history/export.<str:kind>", for_operators(exports.export), name="history-export"),
    path("history/timeline/", for_operators(timeline.timeline), name="timeline"),
]
