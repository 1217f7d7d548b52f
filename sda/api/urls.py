"""The addresses of REST."""

from django.urls import path

from core.api.views import COLLECTION, collection
from sda.api.models import GroupingView, GroupView, MembershipView, SdaModelView
from sda.api.views import SdaView, UtilizationView

urlpatterns = [
    path("sdamodel", SdaModelView.as_view(collection("get", "post", "delete"))),
    path("sdamodel/grouping", GroupingView.as_view(collection("post", "delete"))),
    path("sdamodel/group", GroupView.as_view(COLLECTION)),
    path("sda", SdaView.as_view(COLLECTION)),
    path("sda/utilizations", UtilizationView.as_view(collection("get"))),
    path("membership", MembershipView.as_view(collection("get", "post", "delete"))),
]
