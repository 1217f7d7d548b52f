"""A world whose every text is a payload, put in through each interface that takes it."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import grpc
from django.apps import apps
from django.db import connection
from django.db.models import Model
from django.test import Client

from accounts.choices import Role
from accounts.services.operators import create_operator
from backends.models import Backend
from billing.services.prices import create_price
from bulk import work
from bulk.models import BulkAction
from core.clock import db_now
from events.models import Event
from protocol.v1 import agents_pb2
from scheduler.models import Job
from sda.models import SdaModel
from tests import make
from tests.admin_world import address, client_of, populate
from tests.api import V2, client, done
from tests.bulk.imports import dry_run
from tests.rpc.peers import Agent
from tests.rpc.peers import Client as Vm
from tests.rpc.servers import server
from tests.texts.payloads import LONG, PAYLOADS, fill
from tokens.models import Token, TokenGroup
from tokens.services import create_token

OWN = ("accounts", "alerts", "backends", "billing", "bulk", "console", "events", "scheduler", "sda", "tokens", "usage")


def payload_world() -> Client:
    """Make the world; return a Master's browser."""
    populate()
    node, key = _through_rest()
    _through_grpc(node, key)
    browser = client_of(Role.MASTER)
    _through_the_console(browser)
    _through_files(browser)
    fill(_models())
    _spoil_documents()
    return browser


def _models() -> Iterator[type[Model]]:
    return (model for app in OWN for model in apps.get_app_config(app).get_models())


def _through_rest() -> tuple[Backend, str]:
    api = client(Role.MASTER)
    groups = [done(api.post(f"{V2}/token/group", {"label": text, "description": LONG}))["id"] for text in PAYLOADS]
    pools = [done(api.post(f"{V2}/backend/group", {"label": text, "description": LONG}))["id"] for text in PAYLOADS]
    models = [
        done(api.post(f"{V2}/sdamodel", {"name": text, "numDevices": 1, "desc": LONG}))["id"] for text in PAYLOADS
    ]
    kinds = [
        done(api.post(f"{V2}/sdamodel/group", {"label": text, "groupId": 0, "description": LONG}))["id"]
        for text in PAYLOADS
    ]
    for group, kind, model, text in zip(groups, kinds, models, PAYLOADS, strict=True):
        token = done(api.post(f"{V2}/token", {"desc": text, "env": {_variable(text): LONG}}))
        done(api.post(f"{V2}/sdamodel/grouping", {"sdamodel": model, "group": kind}))
        done(api.post(f"{V2}/membership", {"parentId": group, "childId": kind}))
        done(api.post(f"{V2}/token/grouping", {"group": group, "token": token["value"]}))
        done(api.post(f"{V2}/sda", {"token": token["value"], "model": model, "desc": LONG, "reserved": False}))
    asked = {"node": "127.0.0.1", "label": PAYLOADS[0], "group": pools[0], "workerip": "10.7.7.7", "description": LONG}
    made = done(api.post(f"{V2}/backend", {**asked, "devices": 1, "deviceModel": PAYLOADS[1]}))
    return Backend.objects.get(pk=made["id"]), made["agentKey"]


def _variable(text: str) -> str:
    return text.replace(" ", "/").replace("=", "")


def _through_grpc(node: Backend, key: str) -> None:
    token = create_token(description=LONG, env={_variable(PAYLOADS[0]): LONG}, actor=make.ACTOR)
    accelerator = make.sda(owner=token)
    with server() as manager, grpc.insecure_channel(manager.address) as channel:
        agent, vm = Agent(channel, key, instance=PAYLOADS[1]), Vm(channel, token.value)
        devices = [agents_pb2.DeviceInfo(index=i, model=text, memory_mib=9) for i, text in enumerate(PAYLOADS)]
        agent.send_message(
            hello=agents_pb2.Hello(
                instance_id=PAYLOADS[1], host_name=LONG, agent_version=PAYLOADS[0], devices=devices, workers=[]
            )
        )
        agent.receive()
        agent.carry_out("clean", error=LONG)
        health = agents_pb2.Health(ok=False, text=LONG)
        agent.send_message(report=agents_pb2.Report(health=health))
        fields: dict[str, Any] = {"process_name": LONG, "framework": PAYLOADS[0], "client_version": PAYLOADS[1]}
        vm.open(sda_id=accelerator.pk, **fields)
        make.wait_for(lambda: Job.objects.filter(token=token).exists())
        agent.drop()
        vm.drop()


def _through_the_console(browser: Client) -> None:
    for text in PAYLOADS:
        said = {"path": "/admin/tokens/token/", "name": text, "query": f"q={text}", "shared": "on"}
        assert browser.post("/admin/console/filters/save", said).status_code == 302
    create_operator(
        username="mark", email='"<svg/onload=alert(14)>"@example.com', password="correct horse", role=Role.GENERAL,
        actor=make.ACTOR,
    )  # fmt: skip
    for text in PAYLOADS:
        create_price(
            device_model=text, amount=Decimal(1), valid_from=Event.objects.latest("id").event_time.date(),
            actor=make.ACTOR,
        )  # fmt: skip
    form = {"name": LONG[:128], "num_devices": 1, "description": LONG}
    assert browser.post(address(SdaModel, "add"), form).status_code == 302


def _through_files(browser: Client) -> None:
    rows = [{"name": f"file {text}"[:128], "description": LONG, "members": [text]} for text in PAYLOADS]
    dry = dry_run(browser, TokenGroup, json.dumps(rows))
    work.carry_on(dry.pk)
    dry = dry_run(browser, Token, json.dumps([{"description": f"file {text}"} for text in PAYLOADS]))
    browser.post(f"/admin/bulk/bulkaction/{dry.pk}/carry_out/")
    work.carry_on(BulkAction.objects.latest("id").pk)


def _spoil_documents() -> None:
    """Write payloads into the JSON of a bulk item and of an event, names of objects included."""
    document = {"text": LONG, "details": {LONG: [LONG]}}
    with connection.cursor() as cursor:
        cursor.execute(
            'UPDATE bulk_bulkitem SET "message" = %s WHERE id = (SELECT max(id) FROM bulk_bulkitem)',
            [json.dumps(document)],
        )
    for text in PAYLOADS:  # events never change, so they are written with their texts
        names = {"subject": text, "actor": LONG[:150], "referer_ip": text}
        said = {"request": {text: [LONG]}, "response": {text: LONG}}
        Event.objects.create(action="TELL", event_time=db_now(), **names, **said)
