"""The addresses of REST."""

from django.urls import path

from core.api.views import COLLECTION
from subscriptions.api.views import SubscriptionView

urlpatterns = [path("outbox/subscription", SubscriptionView.as_view(COLLECTION))]
