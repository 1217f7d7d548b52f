from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backends.models import BackendGroup
from moreh_cloud.events.admin import actor_of, event_table
from moreh_cloud.lib.admin import (
    ConfirmForm,
    ExactNumber,
    ForceForm,
    RowForm,
    ServiceAdmin,
    Table,
    Tombstones,
    badge,
    confirmed,
    link,
    link_to,
)
from moreh_cloud.lib.admin.actions import force_field
from scheduler.queries import queue
from scheduler.services.sdas import create_sda, delete_sda, switch_model
from sda.models import Membership, Sda, SdaModel, SdaModelGroup
from sda.services.models import (
    create_membership,
    create_sda_model,
    create_sda_model_group,
    delete_membership,
    delete_sda_model,
    delete_sda_model_group,
    update_sda_model,
    update_sda_model_group,
)
from sda.services.sdas import set_current_sda

LATEST = 20


class ByToken(ExactNumber):
    title = _("token")
    parameter_name = "token"


@admin.register(SdaModel)
class SdaModelAdmin(ServiceAdmin):
    list_display = ("name", "num_devices", "description", "open", "shown_groups", "shown_sdas")
    list_filter = (Tombstones, "open", "groups")
    search_fields = ("name", "description")
    wire_names = {"label": "name", "numDevices": "num_devices"}
    actions = ("delete",)
    actions_detail = ("delete",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SdaModel]:
        used = Count("sdas", filter=Q(sdas__deleted_at__isnull=True))
        models: QuerySet[SdaModel] = super().get_queryset(request).annotate(sda_count=used)
        models = models.filter(deleted_at=None) if request.path.endswith("/autocomplete/") else models
        return models.prefetch_related("groups")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = (
            ("name", "num_devices", "description") if obj is None else ("name", "num_devices", "description", "open")
        )
        return ((None, {"fields": fields}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("num_devices",)  # jobs and usage were counted with it

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> SdaModel:
        return create_sda_model(actor=actor_of(request), **data)

    def update_row(self, request: HttpRequest, row: SdaModel, changes: dict[str, Any]) -> None:
        update_sda_model(row, actor=actor_of(request), **changes)

    @confirmed(_("Delete"), says=_("The model leaves; no SDA may have it any more."), icon="delete", dangerous=True)
    def delete(self, request: HttpRequest, row: SdaModel, _data: dict[str, Any]) -> None:
        delete_sda_model(row, actor=actor_of(request))

    @admin.display(description=_("groups"))
    def shown_groups(self, row: SdaModel) -> str:
        return ", ".join(group.name for group in row.groups.all()) or "–"  # noqa: RUF001

    @admin.display(description=_("SDAs"), ordering="sda_count")
    def shown_sdas(self, row: Any) -> SafeString:
        return link(reverse("admin:sda_sda_changelist") + f"?model__id__exact={row.pk}", row.sda_count)

    def tables(self, request: HttpRequest, row: SdaModel) -> Iterable[Table]:
        groups = row.groups.select_related("backend_group")
        shown = [(link_to(group), link_to(group.backend_group)) for group in groups]
        yield Table(_("Groups with this model"), (_("SDA model group"), _("backend group")), shown)
        yield event_table(f"sdamodel/{row.pk}")


class SdaModelGroupForm(RowForm):
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
            self.fields["backend_group"].queryset = BackendGroup.objects.live()  # type: ignore[attr-defined]


class DeleteModelGroupForm(ConfirmForm):
    force = force_field(_("Even if it is not empty"), _("Its memberships end and its models leave it."))


@admin.register(SdaModelGroup)
class SdaModelGroupAdmin(ServiceAdmin):
    form = SdaModelGroupForm
    list_display = ("name", "description", "index", "backend_group", "shown_models")
    list_filter = (Tombstones, "backend_group")
    list_select_related = ("backend_group",)
    search_fields = ("name", "description")
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
        says=_("The group leaves; tokens lose what only it gave them."),
        form=DeleteModelGroupForm,
        icon="delete",
        dangerous=True,
    )
    def delete(self, request: HttpRequest, row: SdaModelGroup, data: dict[str, Any]) -> None:
        delete_sda_model_group(row, actor=actor_of(request), force=data["force"])

    @admin.display(description=_("SDA models"))
    def shown_models(self, row: SdaModelGroup) -> str:
        return ", ".join(model.name for model in row.sda_models.all()) or "–"  # noqa: RUF001

    def tables(self, request: HttpRequest, row: SdaModelGroup) -> Iterable[Table]:
        who = [(link_to(one.token_group),) for one in row.memberships.select_related("token_group")[:LATEST]]
        yield Table(_("User groups that may use it"), (_("user group"),), who)
        yield event_table(f"sdamodelgroup/{row.pk}")


@admin.register(Membership)
class MembershipAdmin(ServiceAdmin):
    list_display = ("__str__", "user_group", "sda_model_group", "backend_group")
    list_filter = ("model_group",)
    list_select_related = ("token_group", "model_group__backend_group")
    search_fields = ("token_group__name", "model_group__name")
    autocomplete_fields = ("token_group", "model_group")
    fields = ("token_group", "model_group")
    wire_names = {"childId": "model_group"}
    actions = ("delete",)
    actions_detail = ("delete",)

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> Membership:
        return create_membership(data["token_group"], data["model_group"], actor=actor_of(request))

    @confirmed(
        _("Delete"),
        says=_("The tokens lose the right; SDAs that they have stay until they are deleted or switched."),
        icon="delete",
        dangerous=True,
    )
    def delete(self, request: HttpRequest, row: Membership, _data: dict[str, Any]) -> None:
        delete_membership(row, actor=actor_of(request))

    @admin.display(description=_("user group"), ordering="token_group__name")
    def user_group(self, row: Membership) -> SafeString | str:
        return link_to(row.token_group)

    @admin.display(description=_("SDA model group"), ordering="model_group__name")
    def sda_model_group(self, row: Membership) -> SafeString | str:
        return link_to(row.model_group)

    @admin.display(description=_("backend group"))
    def backend_group(self, row: Membership) -> SafeString | str:
        return link_to(row.model_group.backend_group)


@admin.register(Sda)
class SdaAdmin(ServiceAdmin):
    list_display = ("__str__", "token_link", "model", "model_group", "shown_kind", "current")
    list_filter = (Tombstones, "reserved", "current", "model", "model_group", ByToken)
    list_select_related = ("token", "model", "model_group")
    search_fields = ("alias", "token__description")
    ordering = ("-id",)
    autocomplete_fields = ("token", "model", "model_group")
    actions = ("make_current", "delete")
    actions_detail = ("make_current", "delete")
    fields = ("token", "model", "model_group", "alias", "reserved", "current")
    wire_names = {"sdamodel": "model", "maxSdaCount": "token"}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("current",) if obj is None else ("token", "alias", "reserved", "current")

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> Sda:
        how = {"alias": data["alias"], "group": data["model_group"], "reserved": data["reserved"]}
        return create_sda(data["token"], data["model"], actor=actor_of(request), **how)

    def update_row(self, request: HttpRequest, row: Sda, changes: dict[str, Any]) -> None:
        group = changes.get("model_group", None if "model" in changes else row.model_group)
        switch_model(row, changes.get("model", row.model), actor=actor_of(request), group=group)

    @confirmed(_("Make current"), says=_("Programs of the token that name no SDA get this one."), icon="star")
    def make_current(self, request: HttpRequest, row: Sda, _data: dict[str, Any]) -> None:
        set_current_sda(row, actor=actor_of(request))

    @confirmed(
        _("Delete"),
        says=_("The SDA leaves; what it had reserved becomes free."),
        form=ForceForm,
        icon="delete",
        dangerous=True,
    )
    def delete(self, request: HttpRequest, row: Sda, data: dict[str, Any]) -> None:
        delete_sda(row, actor=actor_of(request), force=data["force"])

    @admin.display(description=_("token"), ordering="token__description")
    def token_link(self, row: Sda) -> SafeString | str:
        return link_to(row.token)

    @admin.display(description=_("kind"), ordering="reserved")
    def shown_kind(self, row: Sda) -> SafeString:
        return badge(_("reserved"), "info") if row.reserved else badge(_("on demand"))

    def tables(self, request: HttpRequest, row: Sda) -> Iterable[Table]:
        held = row.allocations.filter(ended_at=None).select_related("device__backend").order_by("device_id")
        shown = [(link_to(one.device.backend), link_to(one.device, f"{one.device.index:02}")) for one in held]
        yield Table(_("Devices that it holds now"), (_("backend"), _("device")), shown)
        jobs = queue().filter(sda=row)[:LATEST]
        live = [(link_to(job, f"#{job.pk}"), job.get_status_display(), job.num_devices) for job in jobs]
        yield Table(_("Live jobs"), (_("job"), _("status"), _("devices")), live)
        yield event_table(f"sda/{row.pk}")
