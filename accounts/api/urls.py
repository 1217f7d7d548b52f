from django.urls import path

from accounts.api import schema  # noqa: F401 - tells drf-spectacular of our access tokens
from accounts.api.views import AccessView, OwnAccessView, RefreshView
from core.api.views import collection

urlpatterns = [
    path("auth/token", AccessView.as_view(collection("post", "delete"))),
    path("auth/tokens", OwnAccessView.as_view(collection("get", "delete"))),
    path("auth/token/refresh", RefreshView.as_view(collection("post"))),
]
