"""The addresses of REST."""

from django.urls import path

from core.api.views import COLLECTION
from notifications.api.views import RuleView, SilenceView

urlpatterns = [
    path("alert/rule", RuleView.as_view(COLLECTION)),
    path("alert/silence", SilenceView.as_view(COLLECTION)),
]
