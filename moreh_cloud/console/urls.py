from django.urls import path

from moreh_cloud.console.live import views as live
from moreh_cloud.console.pages import filters
from moreh_cloud.console.pages.frame import for_operators

app_name = "console"
urlpatterns = [
    path("live/stream", for_operators(live.stream), name="live-stream"),
    path("live/pulse", for_operators(live.pulse), name="live-pulse"),
    path("filters/save", for_operators(filters.save), name="filter-save"),
    path("filters/<int:pk>", for_operators(filters.change), name="filter-change"),
]
