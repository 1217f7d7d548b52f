"""Every address of the web server."""

from django.contrib import admin
from django.contrib.auth.decorators import user_passes_test
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from moreh_cloud.lib.api.views import NoSuchAddress

APPS = ("moreh_cloud.accounts", "moreh_cloud.events", "tokens", "backends", "sda", "scheduler", "usage")
operators = user_passes_test(lambda user: bool(getattr(user, "may_enter", False)))

admin.autodiscover()
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/console/", include("moreh_cloud.console.urls")),
    path("admin/", admin.site.urls),
    path("accounts/", include("moreh_cloud.accounts.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("moreh_cloud.check.api.urls")),
    path("", include("moreh_cloud.metrics.api.urls")),
    *(path("api/v2/", include(f"{app}.api.urls")) for app in APPS),
    path("api-docs/", operators(SpectacularSwaggerView.as_view(url_name="schema")), name="api-docs"),
    path("api-docs/schema", SpectacularAPIView.as_view(), name="schema"),
    re_path("^api/", NoSuchAddress.as_view()),
]
