"""The form of channels and a chart of a young installation in Debian's chromium."""

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from playwright.sync_api import Browser

from accounts.choices import Role
from tests import make
from tests.moreh_cloud.test_admin_browser import chromium, log_in

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.only_sqlite,
    pytest.mark.timeout(180),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("static_files", "own_watcher"),
]
FIELDS = ("new_url", "new_secret", "recipients")
DRAWN = """(values) => {
  const figure = document.getElementById("telemetry-temperature");
  const times = values.map((_value, i) => Date.UTC(2026, 2, 1, 12, 5 * i));
  const detail = {unit: "", times, series: [{name: "00", values}]};
  figure.dispatchEvent(new CustomEvent("chart:data", {detail, bubbles: true}));
  const chart = Chart.getChart(figure.querySelector("canvas"));
  return [chart.scales.x.ticks.length, chart.data.datasets[0].pointRadius];
}"""


def test_a_channel_s_kind_decides_its_fields_and_one_mean_is_a_point(
    chromium: Browser, live_server: "LiveServer"
) -> None:
    make.operator(Role.GENERAL, username="kim")
    node = make.ready_backend(1)
    page = log_in(chromium, live_server.url, "light", live=False)
    page.goto(live_server.url + reverse("admin:outbox_channel_add"))
    seen = {}
    for kind in ("MAIL", "WEBHOOK", "SLACK"):
        page.select_option("[name=kind]", kind)
        seen[kind] = [name for name in FIELDS if page.locator(f"[name={name}]").is_visible()]
    assert seen == {"MAIL": ["recipients"], "WEBHOOK": ["new_url", "new_secret"], "SLACK": ["new_url"]}
    page.goto(live_server.url + reverse("admin:backends_backend_change", args=[node.pk]))
    page.locator("#telemetry-temperature[data-state=empty]").wait_for()
    assert page.evaluate(DRAWN, [40]) == [6, [4]]
    assert page.evaluate(DRAWN, [40, None, 41, 42, None]) == [5, [4, 0, 0, 0, 0]]
