from django.urls import path

from moreh_cloud.lib.api.views import collection
from scheduler.api.views import HistoryView, OutlookView, QueueView

urlpatterns = [
    path("scheduler/queue", QueueView.as_view(collection("get", "put", "delete"))),
    path("scheduler/history", HistoryView.as_view(collection("get"))),
    path("scheduler/outlook", OutlookView.as_view(collection("get"))),
]
