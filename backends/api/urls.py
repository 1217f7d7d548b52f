"""The addresses of REST."""

from django.urls import path

from backends.api.health import DeviceCheckView, FindingView, FormerCardView
from backends.api.history import DeviceHistoryView
from backends.api.maintenance import MaintenanceHoldingView, MaintenanceView
from backends.api.monitoring import LogView, SensorView
from backends.api.views import BackendView, DeviceStatusView, GroupingView, GroupView
from core.api.views import COLLECTION, collection

urlpatterns = [
    path("backend", BackendView.as_view(COLLECTION)),
    path("backend/device/status", DeviceStatusView.as_view(collection("put"))),
    path("backend/sensors", SensorView.as_view(collection("get"))),
    path("backend/sel", LogView.as_view(collection("get"))),
    path("backend/device/findings", FindingView.as_view(collection("get", "put"))),
    path("backend/device/history", DeviceHistoryView.as_view(collection("get"))),
    path("backend/device/check", DeviceCheckView.as_view(collection("put"))),
    path("backend/device/formercards", FormerCardView.as_view(collection("get"))),
    path("backend/maintenance", MaintenanceView.as_view(COLLECTION)),
    path("backend/maintenance/holdings", MaintenanceHoldingView.as_view(collection("get"))),
    path("backend/group", GroupView.as_view(COLLECTION)),
    path("backend/grouping", GroupingView.as_view(collection("post", "put", "delete"))),
]
