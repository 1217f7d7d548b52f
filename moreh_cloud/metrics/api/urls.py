from django.urls import path

from moreh_cloud.metrics.api.views import metrics

urlpatterns = [path("metrics", metrics)]
