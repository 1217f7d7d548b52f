"""A ModelAdmin that never writes by itself: it calls the noun's services."""

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.text import capfirst
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from core.admin.choosers import RowChooser, RowsChooser
from core.admin.compressed import compressed
from core.admin.export import export, without_pages
from core.admin.formatting import Secret, Table
from core.admin.import_page import import_page
from core.admin.importing import IMPORTERS, Importer
from core.admin.lookups import filters_of, is_offered, key_of
from core.admin.refused import ParameterRefused, refuse
from core.admin.row_forms import RowForm, with_errors
from core.admin.tombstones import TombstoneAdmin
from core.errors import DomainError, Message
from core.stored_text import UNCHANGED
from core.tombstone import DELETED


class ServiceAdmin(TombstoneAdmin, ModelAdmin):  # type: ignore[misc]
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

    linked: Collection[str] = ()
    """Lookups that links of other pages narrow the list by, besides its filters."""

    page_of_rows: type[ChangeList] = ChangeList
    """What reads a page of the list; a file of the list is read without it."""

    actions_detail: Any = ()  # unfold's own annotation allows none
    form = RowForm
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each one would count the whole table
    list_filter_submit = True
    list_fullwidth = True
    change_form_before_template: Any = "admin/shown.html"
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
        return [*kinds, *(imports if self.model in IMPORTERS else ()), *super().get_urls()]

    @property
    def importer(self) -> Importer | None:
        """Return the import of this noun, if it has one."""
        return IMPORTERS.get(self.model)

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Whether the caller may import: create and change rows."""
        return self.model in IMPORTERS and self.has_add_permission(request) and self.has_operate_permission(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        more: dict[str, Any] = {
            "title": capfirst(self.opts.verbose_name_plural),
            "may_import": self.has_import_permission(request),
        }
        try:
            return super().changelist_view(request, {**more, **(extra_context or {})})
        except ParameterRefused as refused:
            return refuse(request, refused)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Read what an address asks for. Raises ParameterRefused."""
        try:
            return super().get_changelist_instance(request)
        except (DisallowedModelAdminLookup, IncorrectLookupParameters) as error:
            asked = [(name, value) for name in filters_of(request) for value in request.GET.getlist(name)]
            wrong = dict.fromkeys(name for name, value in asked if not self.lookup_allowed(name, value, request))
            raise ParameterRefused(*(wrong or filters_of(request))) from error

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        """Whether a list may be narrowed so."""
        return is_offered(self, lookup, value)

    def response_action(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        """Carry out an action on the rows that are ticked. Raises ParameterRefused."""
        if any(key_of(self.model, key) is None for key in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise ParameterRefused(ACTION_CHECKBOX_NAME)
        return super().response_action(request, queryset, *args, **kwargs)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row that an address names; None for an id that can be none."""
        if from_field is None and key_of(self.model, object_id) is None:
            return None
        return super().get_object(request, object_id, from_field)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Find rows; no column can hold the character 0."""
        return super().get_search_results(request, queryset.none() if "\0" in search_term else queryset, search_term)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return without_pages(self.page_of_rows) if getattr(request, "whole_list", False) else self.page_of_rows

    def tables(self, request: HttpRequest, row: Any) -> Iterable[Table]:
        """Return what else the page of a row shows."""
        return ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.create_row is not None and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.update_row is not None and self.has_operate_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # Django's own deletion would remove rows; ours is an action that calls the service

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", RowChooser(db_field, self.admin_site, using=kwargs.get("using")))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", RowsChooser(db_field, self.admin_site, using=kwargs.get("using")))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        refusal = getattr(request, "refusal", None)
        return with_errors(form, refusal, self.wire_names) if refusal else form

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Show the form again, with the error of the service, when the service refuses."""
        if request.method == "POST" and object_id and self.is_gone(request, object_id):
            messages.error(request, str(DELETED))
            return HttpResponseRedirect(request.get_full_path())  # which shows what it was
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
            request.unchanged = not changes  # type: ignore[attr-defined]
            if changes:
                self.update_row(request, stored, self.row_data(changes))
            return
        made = self.create_row(request, self.row_data(form.cleaned_data))
        row, request.secret = made if isinstance(made, tuple) else (made, None)  # type: ignore[attr-defined]
        obj.__dict__.update(row.__dict__)

    def row_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the data of a form as `create_row` and `update_row` take them."""
        return data

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        """Do nothing: services write relations as well."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Do nothing: events are the history."""

    def name_of(self, row: Any) -> str:
        """Return what a row is called where it stands alone, as in the report of an action."""
        return str(row)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Do nothing: events are the history."""

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        secret: Secret | None = getattr(request, "secret", None)
        if secret is None:
            return super().response_add(request, obj, post_url_continue)
        return self.show_secret(request, obj, secret)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Lead on as Django does; a form that changed nothing says so."""
        if not getattr(request, "unchanged", False):
            return super().response_change(request, obj)
        messages.info(request, str(UNCHANGED))
        if "_continue" in request.POST:
            return HttpResponseRedirect(request.get_full_path())
        return self.response_post_save_change(request, obj)

    def show_secret(self, request: HttpRequest, row: Model, secret: Secret) -> HttpResponse:
        """Return a page that shows a secret; no cache stores it."""
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
