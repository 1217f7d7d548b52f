"""How a message about alerts reads, in both languages and for programs."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from django.test import override_settings

from notifications.messages import ALERT, SAMPLE
from outbox.rendering import render_message

SECOND = {**SAMPLE, "alert": 13, "name": "node-02", "params": {"node": "node-02"}}
OVER = {**SAMPLE, "change": "CLEARED", "clearedAt": "2026-01-31T21:09:05+00:00"}
AGAIN = {**SAMPLE, "repeated": True}
pytestmark = pytest.mark.only_sqlite


@override_settings(MOREH_PUBLIC_URL="https://cloud.example.com", TIME_ZONE="UTC")
def test_one_alert() -> None:
    told = render_message(ALERT, [SAMPLE], "en")
    assert told.subject == "[critical] node lost: node node-01"
    assert told.text == (
        "[critical] node lost - node node-01, group default\n"
        "node-01 has been silent too long; it gets no jobs.\n"
        "since 2026-01-31 21:04:05 UTC\n"
        "https://cloud.example.com/admin/alerts/alert/12/change/\n\n"
        "Rule: nodes"
    )
    assert told.type == "alert.raised"


@override_settings(MOREH_PUBLIC_URL="https://cloud.example.com", TIME_ZONE="UTC")
def test_of_an_alert_only_its_last_change_counts() -> None:
    told = render_message(ALERT, [SAMPLE, OVER], "en")
    assert told.subject == "[over] node lost: node node-01"
    assert "2026-01-31 21:04:05 UTC to 2026-01-31 21:09:05 UTC" in told.text
    assert told.type == "alert.resolved"
    assert [alert["change"] for alert in told.data["alerts"]] == ["CLEARED"]


def test_several_alerts_are_one_message_of_which_programs_get_all() -> None:
    many = [{**SAMPLE, "alert": number, "name": f"node-{number}"} for number in range(60)]
    told = render_message(ALERT, many, "en")
    assert told.subject == "60 alerts: node lost (60)"
    assert "and 10 more" in told.text
    assert len(told.data["alerts"]) == 60
    assert render_message(ALERT, [OVER, SECOND], "en").subject == "2 alerts, 1 of them over: node lost (2)"


def test_in_korean() -> None:
    told = render_message(ALERT, [SAMPLE], "ko")
    assert told.subject == "[심각] 노드 유실: 노드 node-01"
    assert json.loads(json.dumps(told.data))["alerts"][0]["level"] == "CRITICAL"


@override_settings(TIME_ZONE="UTC")
def test_a_repetition_says_since_when_the_alert_is_open_in_both_languages() -> None:
    since = {"en": "still open since 2026-01-31 21:04:05 UTC", "ko": "2026-01-31 21:04:05 UTC부터 계속 열려 있음"}
    told = {language: render_message(ALERT, [AGAIN], language) for language in since}
    assert told["en"].subject == f"[critical] node lost: node node-01 ({since['en']})"
    assert told["ko"].subject == f"[심각] 노드 유실: 노드 node-01 ({since['ko']})"
    for language, text in since.items():
        assert told[language].text.splitlines()[2] == text
    assert (told["en"].type, told["en"].data["alerts"][0]["repeated"]) == ("alert.repeated", True)
    assert render_message(ALERT, [{**AGAIN, "alert": 13}, OVER], "en").subject == (
        "2 alerts, 1 of them over, 1 of them still open: node lost (2)"
    )


TYPES: dict[str, tuple[list[Mapping[str, Any]], str]] = {
    "a new one": ([SAMPLE, SECOND], "alert.raised"),
    "of an older version": ([{name: value for name, value in SAMPLE.items() if name != "repeated"}], "alert.raised"),
    "said again": ([AGAIN, {**AGAIN, "alert": 13}], "alert.repeated"),
    "over": ([OVER], "alert.resolved"),
    "said again and over": ([AGAIN, OVER], "alert.resolved"),
    "one new, one over": ([SECOND, OVER], "alert.changed"),
    "one new, one said again": ([SECOND, AGAIN], "alert.changed"),
}


@pytest.mark.parametrize("case", TYPES)
def test_the_type_of_a_message_is_true_of_all_its_alerts(case: str) -> None:
    payloads, expected = TYPES[case]
    assert render_message(ALERT, payloads, "en").type == expected
