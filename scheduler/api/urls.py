"""REST paths of the scheduler."""

from django.urls import path

from core.api.views import collection
from scheduler.api.logs import LogView
from scheduler.api.views import DryRunView, HistoryView, QueueView

urlpatterns = [
    path("scheduler/queue", QueueView.as_view(collection("get", "put", "delete"))),
    path("scheduler/history", HistoryView.as_view(collection("get"))),
    path("scheduler/outlook", DryRunView.as_view(collection("get"))),
    path("scheduler/log", LogView.as_view(collection("get"))),
]
