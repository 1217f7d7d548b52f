"""A ModelAdmin that never writes by itself: it calls the noun's services."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.text import capfirst
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from moreh_cloud.lib.admin.compressed import compressed
from moreh_cloud.lib.admin.export import export, without_pages
from moreh_cloud.lib.admin.import_page import import_page
from moreh_cloud.lib.admin.importing import IMPORTERS, Importer
from moreh_cloud.lib.admin.shown import Secret, Table
from moreh_cloud.lib.errors import DomainError, Message
from moreh_cloud.lib.said import with_details

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Any]
else:
    _ModelForm = forms.ModelForm


PLACES = ("id", "command", "parameter")  # details that whoever sees the page knows: of which row, deed and field


class RowForm(_ModelForm):
    """Check the fields; what concerns several fields or rows the service judges, in its own words."""

    def validate_unique(self) -> None:
        """Leave it to the service."""

    def _post_clean(self) -> None:
        # The instance of a form is never saved, so its constraints are only judged where the service saves its own.
        self.instance.validate_constraints = lambda **_: None
        super()._post_clean()  # type: ignore[misc]


class ServiceAdmin(ModelAdmin):
    """Show rows; create and change them only where `create_row` and `update_row` name a service.

    Everything else that can be done is a `confirmed` action.
    """

    create_row: Any = None
    """(request, cleaned data) → the row, or (the row, a Secret to show once). Raises DomainError."""
    update_row: Any = None
    """(request, the row as stored, changed data) → nothing. Raises DomainError."""
    wire_names: Mapping[str, str] = {}
    """Which form field a parameter of a DomainError is about, where the names differ."""

    comes_from: Message = ""
    """How rows come here, for who looks at a list that has none yet."""

    kinds = (("csv", "CSV"), ("json", "JSON"))
    """The kinds of files that the list can be had as."""

    live_topics = ""
    """What the list watches to keep itself up to date: topics of the console, separated by blanks."""

    export_columns: Mapping[str, Any] = {}
    """What a file of the list says besides what is shown, or otherwise: a path of fields or a function; None: not."""

    page_of_rows: type[ChangeList] = ChangeList
    """What reads a page of the list; a file of the list is read without it."""

    actions_detail: Any = ()  # unfold's own annotation allows none
    form = RowForm
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each one would count the whole table
    list_filter_submit = True
    list_fullwidth = True
    change_form_outer_before_template: Any = "admin/row_tables_above.html"
    change_form_outer_after_template: Any = "admin/row_tables.html"

    def get_urls(self) -> list[Any]:
        """Add the list as a file, in two kinds."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        kinds = [
            path(f"export.{kind}", self.admin_site.admin_view(partial(export, self, kind=kind)), name=f"{name}_{kind}")
            for kind, _label in self.kinds
        ]
        name = f"{self.opts.app_label}_{self.opts.model_name}_import"
        imports = [path("import/", self.admin_site.admin_view(partial(import_page, self)), name=name)]
        return [*kinds, *(imports if self.importer else ()), *super().get_urls()]

    @property
    def importer(self) -> Importer | None:
        """How rows come from a file, where they can."""
        return IMPORTERS.get(self.model)

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Tell who may import: whoever may make and change rows."""
        return bool(self.importer) and self.has_add_permission(request) and self.has_operate_permission(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        more: dict[str, Any] = {
            "title": capfirst(self.opts.verbose_name_plural),
            "may_import": self.has_import_permission(request),
        }
        return super().changelist_view(request, {**more, **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return without_pages(self.page_of_rows) if getattr(request, "whole_list", False) else self.page_of_rows

    def tables(self, request: HttpRequest, row: Any) -> Iterable[Table]:
        """Give what else the page of a row shows."""
        return ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.create_row is not None and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.update_row is not None and self.has_operate_permission(request, obj)

    def has_operate_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell who may run the actions: whoever may change the noun, but nobody what is deleted."""
        return getattr(obj, "deleted_at", None) is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # Django's own deletion would remove rows; ours is an action that calls the service

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        refusal = getattr(request, "refusal", None)
        return _tells(form, refusal, self.wire_names) if refusal else form

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Show the form again, with what the service said, when it refuses."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except DomainError as refusal:
            request.refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: Any) -> None:
        """Call the service instead of `obj.save()`."""
        if change:
            stored = self.model._default_manager.get(pk=obj.pk)
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            if changes:
                self.update_row(request, stored, changes)
            return
        made = self.create_row(request, form.cleaned_data)
        row, request.secret = made if isinstance(made, tuple) else (made, None)  # type: ignore[attr-defined]
        obj.__dict__.update(row.__dict__)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        """Do nothing: services write relations as well."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Do nothing: events are the history."""

    def name_of(self, row: Any) -> str:
        """Give what a row is called where it stands alone, as in the report of an action."""
        return str(row)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Do nothing: events are the history."""

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        secret: Secret | None = getattr(request, "secret", None)
        if secret is None:
            return super().response_add(request, obj, post_url_continue)
        return self.show_secret(request, obj, secret)

    def show_secret(self, request: HttpRequest, row: Model, secret: Secret) -> HttpResponse:
        """Answer with a page that shows a secret, which the admin lets no cache keep."""
        opts = self.model._meta
        context = {
            **self.admin_site.each_context(request),
            "title": str(row),
            "opts": opts,
            "secret": secret,
            "back": reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk]),
        }
        return TemplateResponse(request, "admin/secret.html", context)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        row = kwargs.get("obj")
        if row:
            context["title"] = capfirst(self.opts.verbose_name)  # beside what the row is called
        tables = list(self.tables(request, row)) if row else []
        context["tables_above"] = [table for table in tables if table.above]
        context["tables"] = [table for table in tables if not table.above]
        return super().render_change_form(request, context, *args, **kwargs)


class GrowingList(ChangeList):
    """A page of a list that is never counted; where one page holds all of it, its rows are."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows of the page."""
        super().get_results(request)
        if self.page_num == 1 and len(self.result_list) < self.list_per_page:
            self.result_count = len(self.result_list)


@compressed
class GrowingAdmin(ServiceAdmin):
    """A list of a table that grows without end: its pages are never counted."""

    paginator = InfinitePaginator
    page_of_rows = GrowingList
    show_full_result_count = False


def explain(error: DomainError, *, beside: str = "") -> str:
    """Say what a service refused, with the details that people can read; what the place says they need not say."""
    known = {*PLACES, beside}
    details = {name: value for name, value in error.details.items() if name not in known and value != ""}
    return with_details(str(error), details)


def _tells(form: Any, refusal: DomainError, names: Mapping[str, str]) -> Any:
    """Make the form say what the service refused, beside the field that it is about."""
    problems = _concerned(refusal)

    class Refused(form):
        def clean(self) -> Any:
            data = super().clean()
            for name, value in problems.items():
                field = names.get(name, name) if names.get(name, name) in self.fields else None
                known = explain(refusal, beside=name if field else "")
                self.add_error(field, value if isinstance(value, list) else known)
            return data

    return Refused


def _concerned(refusal: DomainError) -> dict[str, object]:
    lists: dict[str, object] = {name: value for name, value in refusal.details.items() if isinstance(value, list)}
    return lists or {str(refusal.details.get("parameter") or next(iter(refusal.details), "")): None}
