from django.urls import path

from core.api.views import collection
from moreh_cloud.check.api.views import CheckView, livez, readyz

urlpatterns = [
    path("api/check", CheckView.as_view(collection("get"))),
    path("livez", livez),
    path("readyz", readyz),
]
