from django.urls import path

from moreh_cloud.check.api.views import CheckView, livez, readyz
from moreh_cloud.lib.api.views import collection

urlpatterns = [
    path("api/check", CheckView.as_view(collection("get"))),
    path("livez", livez),
    path("readyz", readyz),
]
