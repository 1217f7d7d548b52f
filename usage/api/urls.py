"""REST paths of usage."""

from django.urls import path

from core.api.views import collection
from usage.api.views import UsageView

urlpatterns = [path("usage", UsageView.as_view(collection("get")))]
