"""`Accept: text/csv`: every list as a file that a spreadsheet reads well and that does nothing in it."""

import csv
from io import StringIO
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.choices import Role
from core.api.files import PIECE, columns
from core.sheets import cell
from events.models import Event
from events.services import NewEvent, record_all
from scheduler.api.serializers import JobInfoSerializer
from scheduler.services.jobs import finish_job
from tests import make
from tests.api import V2, client, entitle, refused

pytestmark = pytest.mark.django_db
CSV = "text/csv"
EVENTS = f"{V2}/log/sdamanager/event"


@pytest.fixture
def api() -> APIClient:
    return client()


def rows(api: APIClient, address: str, **asked: Any) -> tuple[Any, list[dict[str, str]]]:
    answer = api.get(address, asked, HTTP_ACCEPT=CSV)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8; header=present")
    text = b"".join(answer).decode()
    assert text.startswith("\ufeff")
    return answer, list(csv.DictReader(StringIO(text[1:], newline="")))


LISTS = {
    "backend": "id,type,ip,port,name,description,status,reason,lastSeen,agentVersion,devices,group.id,group.name,"
    "group.description,group.index,group.combine,group.tokenlist,ipmi.ip,ipmi.driver,ipmi.status,ipmi.target,ipmi.checkedAt,"
    "rack,unit,serial,tags,customFields,agentKey",
    "backend/group": (
        "id,name,description,index,combine,tokenlist,backends,customFields,policy,guardSeconds,preempt,minRunSeconds,noticeSeconds,"
        "powerOnNodes,powerOnSeconds,draining,preferOneRack,checkCommand,checkEveryHours,preflight,"
        "repairClean,repairReset,repairReboot,repairPowerCycle,repairDryRun,repairAttempts,repairPercent,repairDrainMinutes,repairForce"
    ),
    "token": "value,description,priority,maxSdaCount,maxDuplicates,targetSdaId,accessLevel,env,grouplist,"
    "maxDevices,customFields",
    "token/group": "id,name,description,index,combine,tokenlist,maxDevices",
    "sdamodel/group": "id,name,description,index,combine,tokenlist,backendGroup.id,backendGroup.name,sdamodels",
    "sda/utilizations": "id,pid,ptype,processName,sdautils",
    "membership": "id,name,description,index,combine,tokenlist,maxDevices,sdamodelgroups",
}
ADDRESSES = (*LISTS, "sdamodel", "sda", "scheduler/queue", "scheduler/history", "log/sdamanager/event", "usage")


@pytest.mark.parametrize("noun", ADDRESSES)
def test_every_list_is_a_file_with_as_many_lines(api: APIClient, noun: str) -> None:
    node = make.ready_backend(2)
    entitle(make.running_job(node).token, make.default_group(), make.sda_model())
    finish_job(make.job(), exit_code=0, actor=make.ACTOR)
    asked = {"starttime": "2026-01-01", "endtime": "2036-01-01"} if noun == "usage" else {}
    listed = api.get(f"{V2}/{noun}", asked).json()
    listed = listed if isinstance(listed, list) else listed.get("jobs") or listed["usage_list"]
    answer, found = rows(api, f"{V2}/{noun}", **asked)
    assert len(found) == len(listed) > 0
    assert answer["X-Total-Count"] == str(len(listed))
    assert answer["Content-Disposition"] == f'attachment; filename="{noun.rpartition("/")[2]}.csv"'
    assert noun not in LISTS or ",".join(found[0]) == LISTS[noun]
    for line, card in zip(found, listed, strict=True):
        assert None not in line
        assert {name: line[name] for name in card if name in line and isinstance(card[name], int | str)} == {
            name: str(cell(card[name])) for name in card if name in line and isinstance(card[name], int | str)
        }


def test_objects_inside_become_columns_and_an_empty_list_has_its_head(api: APIClient) -> None:
    _answer, found = rows(api, f"{V2}/scheduler/queue")
    assert found == []
    names = columns(JobInfoSerializer())
    assert [name for name in names if name.startswith(("token.v", "referer"))] == [
        "token.value",
        "referer.protocol",
        "referer.ipAddress",
    ]


CELLS = {
    "=1+1": "'=1+1",
    "+82": "'+82",
    "-1": "'-1",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1": "'\t'=1",
    "  =1": "'  =1",
    "\r=1": "'\r'=1",
    "\n=1": "'\n'=1",
    "\ta": "'\ta",
    "x;=1": "x;'=1",
    "x; -1|+1": "x;' -1|'+1",
    "x, -1": "x, -1",
    "＝1": "'＝1",  # noqa: RUF001
    "a=1": "a=1",
    "": "",
}


@pytest.mark.parametrize("text", CELLS)
def test_a_formula_becomes_a_text(text: str) -> None:
    assert cell(text) == CELLS[text]


def test_other_values_stay_what_they_are() -> None:
    assert [cell(value) for value in (-1, 1.5, None, True, [1], {"a": "한글"})] == [
        -1,
        1.5,
        "",
        "true",
        "[1]",
        '{"a": "한글"}',
    ]


def test_a_customer_cannot_send_a_formula_to_a_spreadsheet(api: APIClient) -> None:
    make.token(description='=HYPERLINK("http://x","y")')
    assert rows(api, f"{V2}/token")[1][0]["description"] == '\'=HYPERLINK("http://x","y")'


def test_values_stay_masked_for_who_only_reads() -> None:
    value = make.token().value
    _answer, found = rows(client(Role.READ_ONLY), f"{V2}/token")
    assert found[0]["value"] == f"{value[:4]}…"


def test_a_growing_table_comes_whole_in_pieces(api: APIClient, django_assert_num_queries: Any) -> None:
    record_all((NewEvent("TEST", "", None, {"number": n}) for n in range(2 * PIECE + 1)), actor=make.ACTOR)
    with django_assert_num_queries(5):  # nothing of the second piece is read before it is sent
        answer = api.get(EVENTS, HTTP_ACCEPT=CSV)
    lines = b"".join(answer).decode().splitlines()
    assert (len(lines), answer["X-Total-Count"]) == (2 * PIECE + 2, str(2 * PIECE + 1))
    ids = [int(line.partition(",")[0]) for line in lines[1:]]
    assert ids == sorted(Event.objects.values_list("pk", flat=True), reverse=True)
    assert len(rows(api, EVENTS, limit=2)[1]) == 2
    assert len(rows(api, EVENTS, action="nothing")[1]) == 0


BAD = {
    "a filter": ({"limit": "many"}, ["limit"]),
    "a last id together with an order": ({"after": "1", "ordering": "eventTime"}, ["after"]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_failure_stays_json_with_bad(api: APIClient, case: str) -> None:
    asked, named = BAD[case]
    assert refused(api.get(EVENTS, asked, HTTP_ACCEPT=CSV)) == (400, "INVALID_PARAMETER", named)


@pytest.mark.parametrize("accept", ["application/json", "*/*", "", "text/html"])
def test_who_does_not_ask_for_a_file_gets_json(api: APIClient, accept: str) -> None:
    assert api.get(f"{V2}/token", HTTP_ACCEPT=accept).json() == []
