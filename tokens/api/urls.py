"""The addresses of REST."""

from django.urls import path

from core.api.views import COLLECTION, collection
from tokens.api.views import GroupingView, GroupView, TokenView

urlpatterns = [
    path("token", TokenView.as_view(COLLECTION)),
    path("token/grouping", GroupingView.as_view(collection("post", "delete"))),
    path("token/group", GroupView.as_view(COLLECTION)),
]
