"""The admin of SDA models and their groups."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from backends.queries import live_backend_groups
from core.admin import (
    ConfirmForm,
    RowForm,
    ServiceAdmin,
    Table,
    Tombstones,
    badge,
    confirmed,
    link,
    link_to,
)
from core.admin.actions import force_field
from events.actor import Actor
from events.admin import actor_of, event_table
from inventory.admin.nouns import WithCustomFields, custom_table
from sda.models import Sda, SdaModel, SdaModelFieldValue, SdaModelGroup
from sda.services.models import (
    create_sda_model,
    create_sda_model_group,
    delete_sda_model,
    delete_sda_model_group,
    update_sda_model,
    update_sda_model_group,
)

LATEST = 20
FEW = 3  # groups that a list names


def sda_counts() -> dict[str, Coalesce]:
    """Return annotations that count the SDAs of a model and the tokens that own one, whatever the list joins."""
    live = Sda.objects.live().filter(model=OuterRef("pk")).order_by().values("model")
    counts = {"sda_count": Count("pk"), "token_count": Count("token", distinct=True)}
    return {name: Coalesce(Subquery(live.annotate(number=count).values("number")), 0) for name, count in counts.items()}


@admin.register(SdaModel)
class SdaModelAdmin(WithCustomFields, ServiceAdmin):  # type: ignore[misc]
    """SDA models: their groups and how often they are used."""

    field_values = SdaModelFieldValue
    comes_from = _("An SDA model says how many devices a customer's accelerator stands for.")
    list_display = (
        "name",
        "num_devices",
        "open_column",
        "groups_column",
        "sdas_column",
        "tokens_column",
        "description",
    )
    list_filter = (Tombstones, "open", "groups")
    live_topics = "customers"
    search_fields = ("name", "description")
    search_help_text = _("Name or description")
    wire_names = {"numDevices": "num_devices"}
    actions = ("delete",)
    actions_detail = ("delete",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SdaModel]:
        models: QuerySet[SdaModel] = super().get_queryset(request).annotate(**sda_counts())
        models = models.filter(deleted_at=None) if request.path.endswith("/autocomplete/") else models
        return models.prefetch_related(Prefetch("groups", SdaModelGroup.objects.select_related("backend_group")))

    def own_fieldsets(self, request: HttpRequest, obj: Any) -> Any:
        fields = (
            ("name", "num_devices", "description") if obj is None else ("name", "num_devices", "description", "open")
        )
        return ((None, {"fields": fields}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("num_devices",)  # jobs and usage were counted with it

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> SdaModel:
        return create_sda_model(actor=actor_of(request), **{"custom_fields": {}, **data})

    def update_row(self, request: HttpRequest, row: SdaModel, changes: dict[str, Any]) -> None:
        update_sda_model(row, actor=actor_of(request), **changes)

    @confirmed(
        _("Delete"), explanation=_("The model is deleted. No SDA can have it any more."), icon="delete", dangerous=True
    )
    def delete(self, actor: Actor, row: SdaModel, _data: dict[str, Any]) -> None:
        delete_sda_model(row, actor=actor)

    @admin.display(description=_("who may use it"), ordering="open")
    def open_column(self, row: SdaModel) -> SafeString:
        return badge(_("every token"), "info") if row.open else badge(_("by membership"))

    @admin.display(description=_("groups (their nodes)"))
    def groups_column(self, row: SdaModel) -> SafeString | str:
        groups = row.groups.all()
        links = [(link_to(group), link_to(group.backend_group)) for group in groups[:FEW]]
        text = format_html_join(mark_safe("<br>"), "{} ({})", links)
        if len(groups) > FEW:
            more = _now("and %(others)s more") % {"others": len(groups) - FEW}
            text += format_html("<br>{}", link_to(row, more))
        return text or "–"  # noqa: RUF001

    @admin.display(description=_("tokens with it"), ordering="token_count")
    def tokens_column(self, row: Any) -> int:
        return int(row.token_count)

    @admin.display(description=_("SDAs"), ordering="sda_count")
    def sdas_column(self, row: Any) -> SafeString:
        return link(reverse("admin:sda_sda_changelist") + f"?model__id__exact={row.pk}", row.sda_count)

    def tables(self, request: HttpRequest, row: SdaModel) -> Iterable[Table]:
        groups = row.groups.select_related("backend_group")
        rows = [(link_to(group), link_to(group.backend_group)) for group in groups]
        yield custom_table(self.fields_here(request), row)
        yield Table(_("Groups with this model"), (_("SDA model group"), _("backend group")), rows)
        yield event_table(f"sdamodel/{row.pk}")


class SdaModelGroupForm(RowForm):
    """An SDA model group, its models and its backend group."""

    class Meta:
        model = SdaModelGroup
        fields = ("name", "description", "index", "backend_group", "sda_models")
        help_texts = {
            "backend_group": _("SDAs made through this group run on its nodes only."),
            "sda_models": _("A model that joins its first group is no longer open to every token."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "backend_group" in self.fields:
            self.fields["backend_group"].queryset = live_backend_groups()  # type: ignore[attr-defined]


class DeleteModelGroupForm(ConfirmForm):
    """The confirmation of a deletion."""

    force = force_field(_("Even if it is not empty"), _("Its memberships end and its models leave it."))


@admin.register(SdaModelGroup)
class SdaModelGroupAdmin(ServiceAdmin):
    """SDA model groups: their models, backend group and user groups."""

    comes_from = _("An SDA model group says on which nodes its models run.")
    form = SdaModelGroupForm
    list_display = ("name", "description", "index", "backend_group", "models_column")
    list_filter = (Tombstones, "backend_group")
    list_select_related = ("backend_group",)
    search_fields = ("name", "description")
    search_help_text = _("Name or description")
    autocomplete_fields = ("sda_models",)
    wire_names = {"label": "name"}
    actions = ("delete",)
    actions_detail = ("delete",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SdaModelGroup]:
        groups: QuerySet[SdaModelGroup] = super().get_queryset(request).prefetch_related("sda_models")
        return groups.filter(deleted_at=None) if request.path.endswith("/autocomplete/") else groups

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> SdaModelGroup:
        models = data.pop("sda_models")
        return create_sda_model_group(actor=actor_of(request), models=models, **data)

    def update_row(self, request: HttpRequest, row: SdaModelGroup, changes: dict[str, Any]) -> None:
        models = changes.pop("sda_models", None)
        update_sda_model_group(row, actor=actor_of(request), models=models, **changes)

    @confirmed(
        _("Delete"),
        explanation=_("The group is deleted. Tokens lose what only it gave them."),
        form=DeleteModelGroupForm,
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: SdaModelGroup, data: dict[str, Any]) -> None:
        delete_sda_model_group(row, actor=actor, force=data["force"])

    @admin.display(description=_("SDA models"))
    def models_column(self, row: SdaModelGroup) -> str:
        return ", ".join(model.name for model in row.sda_models.all()) or "–"  # noqa: RUF001

    def tables(self, request: HttpRequest, row: SdaModelGroup) -> Iterable[Table]:
        token_groups = [(link_to(one.token_group),) for one in row.memberships.select_related("token_group")[:LATEST]]
        yield Table(_("User groups that may use it"), (_("user group"),), token_groups)
        yield event_table(f"sdamodelgroup/{row.pk}")
