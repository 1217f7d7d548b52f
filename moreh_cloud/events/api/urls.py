from django.urls import path

from moreh_cloud.events.api.views import EventView
from moreh_cloud.lib.api.views import collection

urlpatterns = [path("log/sdamanager/event", EventView.as_view(collection("get")))]
