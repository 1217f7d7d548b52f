"""The pages of alerts, and what the documentation says of them."""

import re
from pathlib import Path

import pytest
from django.urls import reverse

from accounts.choices import Role
from alerts.choices import Category
from alerts.codes import Code
from alerts.first_steps import FIRST_STEPS
from alerts.models import Alert
from alerts.services import raise_alert
from alerts.subjects import SYSTEM, node
from tests import make
from tests.admin_world import client_of

DOCS = Path(__file__).parents[2] / "docs" / "alerts.md"
LIST = "/admin/alerts/alert/"


def test_every_category_has_a_section_and_first_steps() -> None:
    titles = re.findall(r"^## (.+) \(`(\w+)`\)$", DOCS.read_text(), re.MULTILINE)
    assert {code: label for label, code in titles} == {one.value: str(one.label) for one in Category}
    assert set(FIRST_STEPS) == set(Category)
    for section in DOCS.read_text().split("\n## ")[1:]:
        assert [f"**{name}**" in section for name in ("Raised", "Cleared", "First steps")] == [True] * 3, section


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
def test_the_page_links_its_subject_shows_first_steps_and_takes_a_note() -> None:
    gpu = make.backend(1, name="gpu-7")
    raise_alert(Code.NODE_LOST, node(gpu.pk), node="gpu-7")
    alert = Alert.objects.get()
    page = reverse("admin:alerts_alert_change", args=[alert.pk])
    korean = client_of(Role.GENERAL).get(page, headers={"accept-language": "ko"}).content.decode()
    assert re.search(rf'<a [^>]*href="/admin/backends/backend/{gpu.pk}/change/"[^>]*>노드 gpu-7</a>', korean)
    for words in ("노드의 전원 상태와 콘솔을 확인하세요", "gpu-7 노드가 너무 오래 응답하지 않아"):
        assert words in korean
    browser = client_of(Role.GENERAL)
    browser.post(reverse("admin:alerts_alert_acknowledge", args=[alert.pk]), {"agreed": "1", "note": "riser"})
    alert.refresh_from_db()
    assert (alert.note, bool(alert.acknowledged_at)) == ("riser", True)
    assert (
        "Look at the node&#x27;s power state" in browser.get(page, headers={"accept-language": "en"}).content.decode()
    )


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
def test_the_list_is_searched_by_subject_and_by_what_alerts_name() -> None:
    raise_alert(Code.NODE_LOST, node(7), node="gpu-sieben")
    raise_alert(Code.CHECK_FAILED, node(8), node="gpu-여덟", error="ECC")
    raise_alert(Code.DELIVERY_FAILED, SYSTEM, channel="ops", error="-")

    def found(query: str) -> list[str]:
        answer = client_of(Role.READ_ONLY).get(LIST + query)
        return [str(alert.subject) for alert in answer.context["cl"].result_list]

    asked = {
        "?q=backend/7": ["backend/7"],
        "?q=sieben": ["backend/7"],
        "?q=여덟": ["backend/8"],
        "?q=nothing": [],
        "?subject=backend/8": ["backend/8"],
        "?subject=backend": [],
        "?subject_kind__exact=system": ["system/0"],
    }
    assert {query: found(query) for query in asked} == asked
