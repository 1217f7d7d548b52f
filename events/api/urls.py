from django.urls import path

from core.api.views import collection
from events.api.views import EventView

urlpatterns = [path("log/sdamanager/event", EventView.as_view(collection("get")))]
