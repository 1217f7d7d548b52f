"""The addresses of REST."""

from django.urls import path

from core.api.views import COLLECTION, collection
from outbox.api.views import AttemptView, ChannelTestView, ChannelView, DeliveryView, SecretView

urlpatterns = [
    path("outbox/channel", ChannelView.as_view(COLLECTION)),
    path("outbox/channel/test", ChannelTestView.as_view(collection("post"))),
    path("outbox/channel/secret", SecretView.as_view(collection("post"))),
    path("outbox/delivery", DeliveryView.as_view(collection("get", "put"))),
    path("outbox/attempt", AttemptView.as_view(collection("get"))),
]
