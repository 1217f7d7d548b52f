from django.urls import path

from moreh_cloud.metrics.api.views import discovery, metrics

urlpatterns = [path("metrics", metrics), path("metrics/targets", discovery)]
