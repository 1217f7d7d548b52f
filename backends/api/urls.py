from django.urls import path

from backends.api.views import BackendView, DeviceStatusView, GroupingView, GroupView
from moreh_cloud.lib.api.views import COLLECTION, collection

urlpatterns = [
    path("backend", BackendView.as_view(COLLECTION)),
    path("backend/device/status", DeviceStatusView.as_view(collection("put"))),
    path("backend/group", GroupView.as_view(COLLECTION)),
    path("backend/grouping", GroupingView.as_view(collection("post", "put", "delete"))),
]
