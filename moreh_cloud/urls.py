"""Every address of the web server."""

from django.contrib import admin
from django.contrib.auth.decorators import user_passes_test
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from core.api.views import NoSuchAddress, bad_request
from moreh_cloud.middleware.unavailable import server_error

APPS = (
    *("accounts", "events", "outbox", "subscriptions", "alerts", "inventory", "tokens", "backends", "sda", "scheduler"),
    *("remediation", "usage", "notifications"),
)
handler400 = bad_request
handler500 = server_error
operators = user_passes_test(lambda user: bool(getattr(user, "may_enter", False)))

admin.autodiscover()
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/console/", include("console.urls")),
    path("admin/django_celery_beat/periodictask/", RedirectView.as_view(pattern_name="admin:liveness_sign_changelist")),
    path("admin/", admin.site.urls),
    path("accounts/", include("accounts.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("moreh_cloud.check.api.urls")),
    path("", include("moreh_cloud.metrics.api.urls")),
    *(path("api/v2/", include(f"{app}.api.urls")) for app in APPS),
    path("api-docs/", operators(SpectacularSwaggerView.as_view(url_name="schema")), name="api-docs"),
    path("api-docs/schema", SpectacularAPIView.as_view(), name="schema"),
    re_path("^api/", NoSuchAddress.as_view()),
]
