"""What an allocation is billed as is noted once, and stays true whatever changes later."""

import time
from datetime import timedelta

import pytest

from backends.models import Device, FormerModel
from backends.services.agents import ReportedDevice, store_reported_devices
from backends.services.groups import create_backend_group
from core.clock import db_now, to_ms
from scheduler.cycle.tick import tick
from scheduler.models import Allocation
from scheduler.services.jobs import finish_job
from scheduler.services.sdas import create_sda, delete_sda, switch_model
from sda.models import Sda
from sda.services.models import create_membership, create_sda_model_group, update_sda_model_group
from tests import make
from tokens.services import add_token_to_group, create_token_group
from usage.intervals import UsageKind, stays
from usage.metering import Times
from usage.queries import Billed, billed_times, usage_by

pytestmark = pytest.mark.django_db
LONG = timedelta(days=1)


def test_a_job_notes_its_model_group_and_when_it_was_ready_as_it_ends() -> None:
    node = make.ready_backend(2)
    job = make.running_job(node, num_devices=2)
    live = list(stays(db_now() - LONG, db_now() + LONG))
    finish_job(job, exit_code=0, actor=make.ACTOR)
    make.answer(node)
    was = job.sda.model
    switch_model(job.sda, make.sda_model(1), actor=make.ACTOR)
    job.refresh_from_db()
    assert set(Allocation.objects.values_list("sda_model", "group", "ready_at")) == {(was.pk, 0, job.started_at)}
    kind = UsageKind(job.token_id, was.pk, 0, "MI250")
    begun, ready = to_ms(job.submitted_at), to_ms(job.started_at)  # type: ignore[arg-type]
    assert [(stay.key, stay.start_ms, stay.ready_ms, stay.end_ms) for stay in live] == [(kind, begun, ready, None)] * 2
    ended = to_ms(job.ended_at)  # type: ignore[arg-type]
    assert [stay.end_ms for stay in stays(db_now() - LONG, db_now() + LONG)] == [ended] * 2
    billed = billed_times(db_now() - LONG, db_now())
    assert billed == {Billed(job.token_id, was.pk, "MI250"): Times(2 * (ended - begun), 2 * (ready - begun))}


def test_a_job_that_never_ran_was_preparing_all_the_time() -> None:
    make.ready_backend(1)
    job = make.job()
    tick(job.group_id)
    finish_job(job, exit_code=0, actor=make.ACTOR)
    assert [(stay.ready_ms, stay.reserved) for stay in stays(db_now() - LONG, db_now() + LONG)] == [(None, False)]


def test_a_reservation_notes_model_and_group_as_it_begins() -> None:
    make.ready_backend(4)
    users, model = create_token_group(name="users", actor=make.ACTOR), make.sda_model(2)
    group = create_sda_model_group(name="g", backend_group=make.default_group(), models=[model], actor=make.ACTOR)
    create_membership(users, group, actor=make.ACTOR)
    token = make.token()
    add_token_to_group(token, users, actor=make.ACTOR)
    sda = create_sda(token, model, group=group, reserved=True, actor=make.ACTOR)
    elsewhere = create_backend_group(name="elsewhere", actor=make.ACTOR)
    update_sda_model_group(group, backend_group=elsewhere, actor=make.ACTOR)
    delete_sda(Sda.objects.get(pk=sda.pk), actor=make.ACTOR)
    found = list(stays(db_now() - LONG, db_now() + LONG))
    assert [(stay.key, stay.reserved) for stay in found] == [(UsageKind(token.pk, model.pk, 0, "MI250"), True)] * 2


def test_what_a_device_was_is_known_after_it_was_replaced() -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    finish_job(job, exit_code=0, actor=make.ACTOR)
    for model in ("MI250", "MI300", "MI300", "MI355"):
        time.sleep(0.002)  # times are whole milliseconds, and no two devices fit into one
        store_reported_devices(node, [ReportedDevice(0, model, 65_536)])
    assert list(FormerModel.objects.order_by("until", "pk").values_list("model", flat=True)) == ["MI250", "MI300"]
    assert Device.objects.get().model == "MI355"
    assert [stay.key.device_model for stay in stays(db_now() - LONG, db_now())] == ["MI250"]


def test_what_begins_as_a_device_is_replaced_is_held_on_the_new_one() -> None:
    device, sda = make.backend(1, device_model="MI250").devices.get(), make.sda()
    replaced = db_now() - LONG
    FormerModel.objects.create(device=device, model="MI100", until=replaced)
    millisecond = timedelta(milliseconds=1)
    for start, lasted in ((replaced - 5 * millisecond, 5), (replaced, 7)):
        end = start + lasted * millisecond
        Allocation.objects.create(sda=sda, token=sda.token, device=device, started_at=start, ended_at=end)
    found = usage_by(replaced - LONG, db_now(), ["device_model"])
    assert {model: times.device_ms for (model,), times in found.items()} == {"MI100": 5, "MI250": 7}
