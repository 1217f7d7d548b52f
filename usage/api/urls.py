from django.urls import path

from moreh_cloud.lib.api.views import collection
from usage.api.views import UsageView

urlpatterns = [path("usage", UsageView.as_view(collection("get")))]
