"""SDAs, their models, groups and memberships in the admin."""

from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from events.models import Event
from scheduler.models import Allocation, Job
from sda.models import Membership, Sda, SdaModel, SdaModelGroup
from sda.services.models import create_sda_model_group
from tests import make
from tests.admin_world import address, client_of
from tokens.services import create_token_group

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


def act(browser: Client, row: Model, action: str, **data: object) -> Any:
    page = reverse(f"admin:sda_{row._meta.model_name}_{action}", args=[row.pk])
    return browser.post(page, {"agreed": "1", **data})


def events() -> list[str]:
    return list(Event.objects.filter(referer_protocol="admin").order_by("id").values_list("action", flat=True))


def test_a_model_is_made_changed_and_deleted(browser: Client) -> None:
    browser.post(address(SdaModel, "add"), {"name": "Small", "num_devices": 2})
    model = SdaModel.objects.get(name="Small")
    browser.post(address(SdaModel, "change", model.pk), {"name": "Small", "description": "two", "num_devices": 9})
    model.refresh_from_db()
    assert (model.num_devices, model.description, model.open) == (2, "two", False)
    act(browser, model, "delete")
    assert events() == ["CREATE_SDAMODEL", "UPDATE_SDAMODEL", "DELETE_SDAMODEL"]


def test_models_join_and_leave_a_model_group(browser: Client) -> None:
    first, second = make.sda_model(), make.sda_model()
    data = {"name": "gold", "index": 0, "backend_group": 0, "description": ""}
    browser.post(address(SdaModelGroup, "add"), {**data, "sda_models": [first.pk]})
    group = SdaModelGroup.objects.get(name="gold")
    browser.post(address(SdaModelGroup, "change", group.pk), {**data, "sda_models": [second.pk]})
    assert list(group.sda_models.all()) == [second]
    assert "REMOVE_MODEL_FROM_GROUP" in events()
    act(browser, group, "delete", force="on")
    assert not SdaModelGroup.objects.live().filter(pk=group.pk).exists()


def test_a_membership_is_created_once_and_deleted(browser: Client) -> None:
    team = create_token_group(name="team", actor=make.ACTOR)
    gold = create_sda_model_group(name="gold", backend_group=make.default_group(), actor=make.ACTOR)
    data = {"token_group": team.pk, "model_group": gold.pk}
    assert browser.post(address(Membership, "add"), data).status_code == 302
    assert browser.post(address(Membership, "add"), data).status_code == 200
    membership = Membership.objects.get()
    assert browser.get(address(Membership, "change", membership.pk)).status_code == 200
    act(browser, membership, "delete")
    assert events() == ["CREATE_MEMBERSHIP", "DELETE_MEMBERSHIP"]


def test_a_reserved_sda_takes_its_devices_at_once(browser: Client) -> None:
    make.ready_backend(2)
    token, model = make.token(), make.sda_model(2)
    data = {"token": token.pk, "model": model.pk, "alias": "mine", "reserved": "on"}
    assert browser.post(address(Sda, "add"), data).status_code == 302
    sda = Sda.objects.get(token=token)
    assert Allocation.objects.filter(sda=sda, job=None, ended_at=None).count() == 2


def test_without_the_devices_nothing_is_reserved_and_the_page_counts_the_missing_ones(browser: Client) -> None:
    token, model = make.token(), make.sda_model(2)
    answer = browser.post(address(Sda, "add"), {"token": token.pk, "model": model.pk, "alias": "", "reserved": "on"})
    assert answer.status_code == 200
    assert "missing: 2" in answer.content.decode()
    assert not Sda.objects.exists()


def test_an_idle_sda_gets_another_model_and_a_used_one_does_not(browser: Client) -> None:
    sda, other = make.sda(), make.sda_model(2)
    page = address(Sda, "change", sda.pk)
    assert browser.post(page, {"model": other.pk}).status_code == 302
    sda.refresh_from_db()
    assert sda.model == other
    make.job(sda)
    answer = browser.post(page, {"model": make.sda_model().pk})
    assert "The SDA cannot be switched while in use." in answer.content.decode()
    assert events() == ["UPDATE_SDA"]


def test_another_sda_is_made_current(browser: Client) -> None:
    token = make.token(max_sda_count=2)
    first, second = make.sda(owner=token), make.sda(owner=token)
    act(browser, second, "make_current")
    assert list(Sda.objects.filter(current=True)) == [second]
    assert first.pk != second.pk


def test_deleting_an_sda_with_a_job_needs_force(browser: Client) -> None:
    job = make.job()
    act(browser, job.sda, "delete")
    assert Sda.objects.live().filter(pk=job.sda_id).exists()
    act(browser, job.sda, "delete", force="on")
    assert not Sda.objects.live().filter(pk=job.sda_id).exists()
    assert Job.objects.get(pk=job.pk).status == "CANCELED"


def test_the_list_of_models_counts_sdas_right_whatever_it_is_filtered_by(browser: Client) -> None:
    sda = make.sda()
    make.sda(owner=make.token())
    groups = [
        create_sda_model_group(name=name, backend_group=make.default_group(), models=[sda.model], actor=make.ACTOR)
        for name in ("one", "two")
    ]
    page = address(SdaModel, "changelist")
    for query in ({}, {"groups__id__exact": groups[0].pk}):
        rows = {row.pk: row for row in browser.get(page, query).context["cl"].result_list}
        assert (rows[sda.model_id].sda_count, rows[sda.model_id].token_count) == (1, 1)
    html = browser.get(page).content.decode()
    assert all(address(SdaModelGroup, "change", group.pk) in html for group in groups)
    assert address(Sda, "changelist") + f"?model__id__exact={sda.model_id}" in html
