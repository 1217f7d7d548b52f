"""The addresses of REST."""

from django.urls import path

from core.api.views import collection
from remediation.api.views import RepairView

urlpatterns = [path("backend/repair", RepairView.as_view(collection("get", "post", "put")))]
