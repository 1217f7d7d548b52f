"""The addresses of REST."""

from django.urls import path

from alerts.api.views import AlertView
from core.api.views import collection

urlpatterns = [path("alert", AlertView.as_view(collection("get", "put")))]
