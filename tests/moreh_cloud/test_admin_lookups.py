"""A list of the admin is narrowed by what its page offers, and by nothing else; an odd id names no row."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin import site
from django.contrib.admin.filters import FieldListFilter
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.test import Client, RequestFactory

from accounts.choices import Role
from backends.services.groups import create_backend_group
from scheduler.models import Job
from tests import make
from tests.admin_world import address, client_of, nouns, populate
from tokens.services import create_token_group

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
LOOKUPS = ("", "__exact", "__gte", "__lt", "__in", "__startswith", "__contains", "__regex", "__isnull")


@pytest.fixture
def browser() -> Client:
    return client_of(Role.READ_ONLY)


def offered(model: type[Model]) -> set[str]:
    """Return the parameters that the filters of a list read, as they say themselves."""
    admin: Any = site._registry[model]
    names = {str(name) for spec in admin.list_filter for name in read_by(admin, spec)}
    dates = {f"{admin.date_hierarchy}__{part}" for part in ("year", "month", "day")} if admin.date_hierarchy else set()
    return names | set(admin.linked) | dates


def read_by(admin: Any, spec: Any) -> list[str | None]:
    if isinstance(spec, type):
        return [spec.parameter_name]  # type: ignore[attr-defined]
    path, make_filter = spec if isinstance(spec, tuple) else (spec, FieldListFilter.create)
    field = get_fields_from_path(admin.model, path)[-1]
    made: FieldListFilter = make_filter(field, RequestFactory().get("/"), {}, admin.model, admin, field_path=path)
    return made.expected_parameters()


def columns(model: type[Model]) -> list[str]:
    """Return the columns of a model, and of what it refers to."""
    own = model._meta.get_fields()
    return [field.name for field in own] + [
        f"{field.name}__{inner.name}"
        for field in own
        if isinstance(field.related_model, type)
        for inner in field.related_model._meta.get_fields()
    ]


def test_every_list_takes_only_what_its_filters_read() -> None:
    populate()
    for model in nouns():
        admin: Any = site._registry[model]
        known = offered(model)
        tried = {f"{path}{lookup}" for path in (*columns(model), "pk", "nonsense") for lookup in LOOKUPS} | known
        taken = {name for name in tried if any(admin.lookup_allowed(name, value) for value in ("1", "2026"))}
        plain = {name.removesuffix("__isnull") for name in known} | {name.removesuffix("__exact") for name in known}
        assert known <= taken, model
        assert taken <= known | {name + end for name in plain for end in ("", "__exact", "__isnull")}, model


@pytest.mark.parametrize("kind", ["changelist", "export_csv", "export_json"])
@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        ("accounts.Operator", "password__gte", "pbkdf2_sha256$1"),
        ("accounts.Operator", "id__in", "1"),
        ("tokens.Token", "env__icontains", "SECRET"),
        ("tokens.Token", "value_digest__startswith", "a"),
        ("tokens.Token", "description__regex", "^(a|a)*$"),
        ("backends.Backend", "bmc__password__startswith", "a"),
        ("scheduler.Job", "id__in", "99999999999999999999"),
        ("scheduler.Job", "status__exact", "\0"),
        ("scheduler.Job", "group__id__exact", "²"),
        ("alerts.Alert", "raised_at__year", "9999"),
        ("events.Event", "event_time_from_0", "0001-01-01"),
        ("events.Event", "event_time_to_0", "9999-12-31"),
        ("events.Event", "event_time_to_1", "25:00"),
        ("events.Event", "event_time_from_0", "2026-99-99"),
        ("accounts.Operator", "is_active__exact", "abc"),
    ],
)
def test_another_lookup_or_value_is_refused_by_name(
    browser: Client, kind: str, model: str, name: str, value: str
) -> None:
    asked = {name: value} if not name.endswith("_1") else {name: value, name[:-1] + "0": "2026-01-01"}
    answer = browser.get(address(apps.get_model(model), kind), asked)
    assert answer.status_code == 400
    assert name in answer.content.decode()


def test_a_bulk_action_refuses_a_filter_that_is_not_offered() -> None:
    waiting = make.job()
    browser = client_of(Role.MASTER)
    sent = {"action": "cancel", "_selected_action": waiting.pk, "select_across": "1", "agreed": "1"}
    refused = browser.post(f"{address(Job, 'changelist')}?id__gte=1", sent)
    assert (refused.status_code, "id__gte" in refused.content.decode()) == (400, True)
    assert Job.objects.get(pk=waiting.pk).ended_at is None


@pytest.mark.parametrize("ticked", ["abc", "9" * 25, "²", "-1", ""])
def test_a_ticked_row_with_an_odd_id_is_refused(ticked: str) -> None:
    make.job()
    answer = client_of(Role.MASTER).post(address(Job, "changelist"), {"action": "cancel", "_selected_action": ticked})
    assert answer.status_code == 400


def test_a_list_is_narrowed_by_the_links_of_other_pages(browser: Client) -> None:
    job = make.job()
    asked: dict[str, Any] = {"status__in": "WAITING,RUNNING", "group__id__exact": job.group_id, "token": job.token_id}
    answer = browser.get(address(Job, "changelist"), asked)
    assert answer.status_code == 200
    assert f"#{job.pk}" in answer.content.decode()


def test_a_day_of_the_hierarchy_of_dates_is_taken(browser: Client) -> None:
    asked = {"raised_at__year": 2026, "raised_at__month": 2, "raised_at__day": 28}
    assert browser.get(address(apps.get_model("alerts.Alert"), "changelist"), asked).status_code == 200


@pytest.mark.parametrize(
    ("app", "model", "field"), [("sda", "membership", "token_group"), ("backends", "backend", "group")]
)
def test_what_a_field_offers_holds_each_row_once(app: str, model: str, field: str) -> None:
    make_group: Any = {"token_group": create_token_group, "group": create_backend_group}[field]
    made = [make_group(name=f"alike {number}", index=1, actor=make.ACTOR) for number in range(50)]
    for group in made[::3]:  # PostgreSQL moves rows that are written again
        type(group)._default_manager.filter(pk=group.pk).update(description="alike")
    asked: dict[str, Any] = {"app_label": app, "model_name": model, "field_name": field, "term": "alike"}
    browser = client_of(Role.MASTER)
    pages = [browser.get("/admin/autocomplete/", {**asked, "page": page}).json() for page in (1, 2, 3)]
    assert [row["id"] for page in pages for row in page["results"]] == [str(group.pk) for group in made]


@pytest.mark.parametrize("pk", ["abc", "9" * 25, "²", "1"])
def test_no_row_has_a_page_outside_of_the_admin(browser: Client, pk: str) -> None:
    for noun in ContentType.objects.all():
        assert browser.get(f"/admin/r/{noun.pk}/{pk}/").status_code == 404, noun
