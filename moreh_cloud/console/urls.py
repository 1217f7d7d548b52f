from django.urls import path

from moreh_cloud.console.live import views as live
from moreh_cloud.console.pages import access
from moreh_cloud.console.pages.frame import for_operators

app_name = "console"
urlpatterns = [
    path("access/", for_operators(access.page), name="access"),
    path("access/tokens", for_operators(access.tokens), name="access-tokens"),
    path("access/question", for_operators(access.question), name="access-question"),
    path("live/stream", for_operators(live.stream), name="live-stream"),
    path("live/pulse", for_operators(live.pulse), name="live-pulse"),
]
