"""Where Prometheus reads metrics: whether they are switched on, their address, and what to write into its settings."""

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _

from console.pages.base_page import render_page

SCRAPE = """scrape_configs:
  - job_name: moreh-cloud
    scheme: {scheme}
    authorization:
      type: Bearer
      credentials_file: /etc/prometheus/moreh-metrics-key
    static_configs:
      - targets: [{host}]
"""


def metrics(request: HttpRequest) -> HttpResponseBase:
    """Return the page; it never shows the key."""
    scheme, _colons, host = settings.MOREH_PUBLIC_URL.partition("://")
    return render_page(
        request,
        "console/metrics.html",
        _("Metrics (Prometheus)"),
        address=f"{settings.MOREH_PUBLIC_URL}/metrics",
        is_on=bool(settings.MOREH_METRICS_KEY),
        charts_from=settings.MOREH_PROMETHEUS_URL,
        scrape=SCRAPE.format(scheme=scheme, host=host),
    )
