"""Any list as a file: exactly its filtered, searched and sorted rows, plain values, no secrets, no formulas."""

import csv
import json
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin import site
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.choices import Role
from accounts.models import Operator
from backends.choices import PowerStatus
from backends.models import Backend, Bmc, Device, Order, Telemetry
from core.admin import export as exporting
from core.admin.columns import columns_of
from core.clock import db_now
from events.models import Event
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
    "alerts.Alert": "id,level,category,subject,content,times,raised,state,acknowledged_by,note,code,params",
    "backends.Backend": "id,name,group,status,power,devices,address,seen,agent_version,ip,port,description,"
    "rack,unit,serial,tags,device_count,device_model,bmc_ip,bmc_port,bmc_driver,bmc_certificate",
    "backends.BackendGroup": "id,name,description,index,combine,policy,preempt,draining,backends,"
    "guard_s,min_run_s,notice_s,power_on_nodes,power_on_s,one_rack,check_command,check_every_h,preflight,"
    "repair_clean,repair_reset,repair_reboot,repair_power_cycle,repair_dry_run,repair_attempts,repair_percent,"
    "repair_drain_min,repair_force,members",
    "backends.BmcLogEntry": "id,backend,at,sensor,severity,message,record,stored",
    "backends.Device": "id,name,backend,model,total_memory,status,verdict,temperature,use,since,measured_at,old,"
    "verdict_at,checked_at,findings,uuid,serial,pci_address,driver_version,firmware_version",
    "backends.PowerAction": "id,backend,command,target,state,waiting,attempt,message,actor,asked,ended",
    "backends.Sensor": "id,name,backend,value,state,read,unit,"
    "lower_critical,lower_warning,upper_warning,upper_critical",
    "billing.Price": "id,sda_model,device_model,amount,currency,valid_from,valid_until,state",
    "billing.Statement": "id,month,token,kind,status,device_hours,total,currency,issued_at,number,customer,corrects,"
    "device_ms,issued_by",
    "bulk.BulkAction": "id,number,verb,noun,actor,state,progress,asked,ended",
    "events.Event": "id,at,action,subject,actor,token_id,referer_protocol,referer_ip,request,response",
    "scheduler.Job": "id,token,status,why,priority,num_devices,asked,waited,ran,group,submitted,started,ended,process",
    "sda.Membership": "id,name,user_group,sda_model_group,backend_group",
    "sda.SdaModel": "id,name,num_devices,open,groups,sdas,tokens,description",
    "sda.SdaModelGroup": "id,name,description,index,backend_group,models",
    "tokens.Token": "id,groups,priority,masked,description,max_sda_count,max_duplicates,max_devices,access_level",
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


def test_a_filter_that_does_not_exist_is_refused_by_name(browser: Client) -> None:
    answer = browser.get(address(Backend, "changelist") + "export.csv?colour=red")
    assert (answer.status_code, "colour" in answer.content.decode()) == (400, True)


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


def test_a_name_that_looks_like_markup_is_a_text(browser: Client) -> None:
    make.ready_backend(1, name="N<b>x</b> &amp; y")
    for row in (as_csv(browser, Device)[0], as_json(browser, Device)[0]):
        assert (row["name"], row["backend"]) == ("N<b>x</b> &amp; y/00", "N<b>x</b> &amp; y")


def test_a_memory_that_no_agent_has_told_is_left_out(browser: Client) -> None:
    make.backend(1)
    assert as_csv(browser, Device)[0]["total_memory"] == ""
    assert as_json(browser, Device)[0]["total_memory"] is None
    Device.objects.update(total_memory=65_536)
    assert as_csv(browser, Device)[0]["total_memory"] == "65536"


def test_values_of_a_silent_node_are_marked_as_old(browser: Client, settings: Any) -> None:
    now = db_now()
    last = now - settings.MOREH_SILENT_AFTER - timedelta(seconds=1)
    fresh, silent, off, _unmeasured = (make.ready_backend(1) for _ in range(4))
    for node, at in ((fresh, now), (silent, last), (off, now)):
        Telemetry.objects.create(device=node.devices.get(), temperature=61, at=at)
    Bmc.objects.filter(backend=off).update(ip="10.1.0.1", status=PowerStatus.OFF, checked_at=now + timedelta(seconds=1))
    expected = [(61.0, False), (61.0, True), (61.0, True), (None, None)]
    assert [(row["temperature"], row["old"]) for row in as_json(browser, Device)] == expected
    measured = [row["measured_at"] for row in as_csv(browser, Device)]
    assert measured == [timezone.localtime(at).isoformat() for at in (now, last, now)] + [""]


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", " =cmd|' /C calc'!A0", "＝1"]  # noqa: RUF001
FORMULAS += ["\ta", "\na", "\ra", "\u00a0=1", "'=1", "''-1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_a_text(browser: Client, text: str) -> None:
    Token.objects.filter(pk=make.token().pk).update(description=text)  # a tab is there from long ago
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
