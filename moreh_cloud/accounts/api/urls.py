from django.urls import path

from moreh_cloud.accounts.api import schema  # noqa: F401 - tells drf-spectacular of our access tokens
from moreh_cloud.accounts.api.views import AccessView, OwnAccessView, RefreshView
from moreh_cloud.lib.api.views import collection

urlpatterns = [
    path("auth/token", AccessView.as_view(collection("post", "delete"))),
    path("auth/tokens", OwnAccessView.as_view(collection("get", "delete"))),
    path("auth/token/refresh", RefreshView.as_view(collection("post"))),
]
