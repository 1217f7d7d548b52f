"""Any list as a file: exactly its filtered, searched and sorted rows, plain values, no secrets, no formulas."""

import csv
import json
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin import site
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from backends.models import Backend, Order
from moreh_cloud.accounts.choices import Role
from moreh_cloud.accounts.models import Operator
from moreh_cloud.events.models import Event
from moreh_cloud.lib.admin import export as exporting
from moreh_cloud.lib.admin.columns import columns_of
from scheduler.models import Job
from tests import make
from tests.admin_world import BMC_PASSWORD, BMC_USER, address, client_of, nouns, populate
from tokens.models import Token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


@pytest.fixture
def browser() -> Client:
    return client_of(Role.READ_ONLY)


def text_of(browser: Client, model: Any, kind: str, query: str = "", **more: Any) -> str:
    answer = browser.get(f"{address(model, 'changelist')}export.{kind}{query}", **more)
    assert answer.status_code == 200, answer
    return b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]


def as_csv(browser: Client, model: Any, query: str = "") -> list[dict[str, str]]:
    text = text_of(browser, model, "csv", query)
    assert text.startswith("\ufeff")
    return list(csv.DictReader(StringIO(text[1:], newline="")))


def as_json(browser: Client, model: Any, query: str = "", **more: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(text_of(browser, model, "json", query, **more))
    return rows


# Programs read these names: they are told when one goes.
HEADERS = {
    "accounts.Operator": "id,username,role,email,verified,two_factor,entry,login",
    "alerts.Alert": "id,level,category,subject,content,times,raised,state,acknowledged_by",
    "backends.Backend": "id,name,group,status,power,devices,address,seen,agent_version,ip,port,description,"
    "device_count,device_model,bmc_ip,bmc_port",
    "backends.BackendGroup": "id,name,description,index,combine,policy,preempt,draining,backends,members",
    "backends.Device": "id,name,backend,model,total_memory,status,temperature,use,since",
    "billing.Price": "id,sda_model,device_model,amount,currency,valid_from,valid_until,state",
    "billing.Statement": "id,month,token,kind,status,device_hours,total,currency,issued_at,number,customer,corrects,"
    "device_ms,issued_by",
    "bulk.BulkAction": "id,number,verb,noun,actor,state,progress,asked,ended",
    "events.Event": "id,at,action,subject,actor,token_id,referer_protocol,referer_ip,request,response",
    "scheduler.Job": "id,token,status,why,priority,num_devices,asked,waited,ran,group,submitted,started,ended,process",
    "sda.Membership": "id,name,user_group,sda_model_group,backend_group",
    "sda.SdaModel": "id,name,num_devices,open,groups,sdas,tokens,description",
    "sda.SdaModelGroup": "id,name,description,index,backend_group,models",
    "tokens.Token": "id,groups,priority,masked,description,max_sda_count,max_duplicates,access_level",
    "tokens.TokenGroup": "id,name,description,index,max_devices,tokens,members",
}


def test_the_names_of_columns_stay() -> None:
    found = {model._meta.label: ",".join(columns_of(site._registry[model])) for model in nouns()}
    assert {label: found[label] for label in HEADERS} == HEADERS


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_list_is_a_file_in_both_kinds_and_in_every_language_the_same(browser: Client, language: str) -> None:
    populate()
    for model in nouns():
        headers = {"accept-language": language}
        rows = as_json(browser, model, headers=headers)
        if model is Order:  # shows only open ones, and all were answered
            assert rows == []
            continue
        assert [row["id"] for row in rows], model
        assert list(rows[0]) == list(columns_of(site._registry[model])), model
        assert len(as_csv(browser, model)) == len(rows), model
        assert not [row for row in rows if "<" in str(list(row.values()))], model


def test_a_file_has_the_filtered_searched_and_sorted_rows_beyond_the_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    browser = client_of(Role.GENERAL)
    monkeypatch.setattr(exporting, "PIECE", 7)
    for number in range(60):
        make.backend(0, name=f"rack-{number:02}")
    make.backend(0, name="elsewhere")
    query = "?q=rack-&status__exact=ACTIVE&o=-1&p=1"
    names = [row["name"] for row in as_json(browser, Backend, query)]
    shown = browser.get(address(Backend, "changelist") + query).context["cl"]
    assert names == [f"rack-{number:02}" for number in reversed(range(60))]
    assert names[:50] == [row.name for row in shown.result_list]
    assert shown.result_count == len(names)


def test_a_filter_that_does_not_exist_leads_back_to_the_list(browser: Client) -> None:
    answer = browser.get(address(Backend, "changelist") + "export.csv?colour=red")
    assert (answer.status_code, answer.headers["Location"]) == (302, "./?e=1")


def test_values_are_plain(browser: Client) -> None:
    node = make.ready_backend(1, name="gpu-7")
    make.running_job(node)
    (row,) = as_json(browser, Job)
    assert (row["status"], row["priority"], row["num_devices"], row["ended"]) == ("RUNNING", 0, 1, None)
    assert row["waited"] >= 0
    assert datetime.fromisoformat(row["asked"]).tzinfo is not None
    (row,) = as_json(browser, Backend)
    assert (row["name"], row["group"], row["status"]) == ("gpu-7", "default_backend_group", "ACTIVE")
    event = as_json(browser, Event, "?q=CREATE_BACKEND")[0]
    assert event["request"]["name"] == "gpu-7"


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", " =cmd|' /C calc'!A0", "\t=1", "＝1"]  # noqa: RUF001


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_a_text(browser: Client, text: str) -> None:
    make.token(description=text)
    assert as_csv(browser, Token)[0]["description"] == f"'{text}"
    assert as_json(browser, Token)[0]["description"] == text


def test_no_file_holds_a_secret(browser: Client) -> None:
    populate()
    secrets = [BMC_PASSWORD, BMC_USER, *(token.value for token in Token.objects.all())]
    secrets += [
        *Backend.objects.values_list("key_digest", flat=True),
        *Operator.objects.values_list("password", flat=True),
    ]
    for model in nouns():
        for kind in ("csv", "json"):
            text = text_of(browser, model, kind)
            assert not [secret for secret in secrets if secret in text], model


def test_more_rows_cost_no_more_queries(browser: Client) -> None:
    populate(2)
    few: dict[Any, int] = {}
    for turn in range(2):
        for model in nouns():
            with CaptureQueriesContext(connection) as seen:
                text_of(browser, model, "csv")
            assert few.setdefault(model, len(seen)) == len(seen), (turn, model)
        populate(5)


def test_the_list_offers_both_files_of_what_it_shows(browser: Client) -> None:
    shown = browser.get(address(Backend, "changelist") + "?q=rack").content.decode()
    assert 'href="export.csv?q=rack"' in shown
    assert 'href="export.json?q=rack"' in shown
