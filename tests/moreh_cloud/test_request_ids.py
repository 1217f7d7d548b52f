"""One id goes from a request over the task that it starts to the agent that carries out the order."""

import json
import logging
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from django.db import connection
from rest_framework.test import APIClient
from structlog.contextvars import get_contextvars

from accounts.choices import Role
from backends.models import Order
from core.request_ids import carrying_out, current_request
from moreh_cloud.celery import app
from scheduler.cycle.tick import tick
from scheduler.models import Job
from scheduler.services.jobs import cancel_job
from scheduler.tasks import maintain
from tests import make
from tests.admin_world import client_of, master
from tests.api import V2, client
from tests.rpc.conftest import connect, manager
from tests.rpc.peers import Agent, Client
from tests.rpc.servers import Server

__all__ = ["connect", "manager"]
ID = "portal-2026.12_01"


def test_a_request_leads_to_an_order_with_its_id(
    manager: Server, connect: Callable[[Server], grpc.Channel], caplog: pytest.LogCaptureFixture
) -> None:
    node, key = make.keyed_backend(1)
    agent = Agent(connect(manager), key)
    agent.hello(1)
    assert agent.carry_out("clean").request_id == ""
    make.wait_for(lambda: make.statuses(node) == ["IDLE"])
    job = make.job()
    with carrying_out("of-the-tick"):
        tick(0)
    assert agent.carry_out("start", address="10.0.0.1:1").request_id == "of-the-tick"
    with caplog.at_level(logging.DEBUG):
        answer = client().delete(f"{V2}/scheduler/queue", {"id": job.pk}, headers={"X-Request-ID": ID})
    assert (answer.status_code, answer["X-Request-ID"]) == (200, ID)
    assert agent.carry_out("stop").request_id == ID
    assert set(Order.objects.filter(verb="STOP").values_list("request", flat=True)) == {ID}
    assert current_request() == ""


def test_lines_of_a_call_name_job_and_token(
    manager: Server, connect: Callable[[Server], grpc.Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    def noted(*args: Any, **kwargs: Any) -> None:
        seen.append(dict(get_contextvars()))
        cancel_job(*args, **kwargs)

    monkeypatch.setattr("scheduler.rpc.jobs.cancel_job", noted)
    sda = make.sda()
    customer = Client(connect(manager), sda.token.value)
    customer.open(sda_id=sda.pk)
    customer.cancel()
    make.wait_for(lambda: Job.objects.filter(status="CANCELED").exists())
    assert seen == [{"job": Job.objects.get().pk, "token": sda.token_id}]


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
def test_lines_of_a_page_name_its_request_and_the_operator() -> None:
    seen: list[dict[str, Any]] = []

    def note(execute: Callable[..., Any], *args: Any) -> Any:
        seen.append(dict(get_contextvars()))
        return execute(*args)

    page = client_of(Role.MASTER)
    with connection.execute_wrapper(note):
        assert page.get("/admin/alerts/alert/", headers={"X-Request-ID": ID}).status_code == 200
    assert seen[-1] == {"request": ID, "operator": master().username}
    assert get_contextvars() == {}


def test_an_id_that_no_log_line_should_hold_is_replaced(db: None) -> None:
    for given in ("", "short", "x" * 65, "two words", "line\nbreak", '"quoted"id'):
        found = APIClient().get("/livez", headers={"X-Request-ID": given})["X-Request-ID"]
        assert (len(found), found.isalnum()) == (32, True)


@pytest.mark.django_db
def test_a_task_has_the_id_of_the_request_that_sent_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, object]] = []

    def keep(_channel: object, _queue: str, message: dict[str, object], **_more: object) -> None:
        sent.append(json.loads(json.dumps(message["headers"])))

    monkeypatch.setattr("kombu.transport.redis.Channel._put", keep)
    seen: list[str] = []
    monkeypatch.setattr("scheduler.work.maintain", lambda: seen.append(current_request()))
    with carrying_out(ID):
        maintain.apply_async(retry=False)
    maintain.apply_async(retry=False)
    assert [headers.get("moreh_request") for headers in sent] == [ID, None]
    app.tasks[maintain.name].apply(headers={"moreh_request": ID})
    app.tasks[maintain.name].apply()
    assert seen == [ID, ""]
