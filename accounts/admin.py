from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordToggleWidget, UnfoldBooleanWidget

from accounts.choices import Role
from accounts.login.lockout import unlock_operator, wrong_passwords
from accounts.models import Operator
from accounts.services.operators import create_operator, delete_operator, invite_again, update_operator
from accounts.services.two_factor import reset_two_factor
from core.admin import RowForm, ServiceAdmin, Table, badge, confirmed, fields_of, time_ago
from core.mail_note import mail_note
from events.actor import Actor
from events.admin import actor_of, event_table

ROLE_TONES = {Role.MASTER: "info", Role.GENERAL: "success", Role.READ_ONLY: ""}

with suppress(NotRegistered):
    admin.site.unregister(Group)  # roles replace groups


class HasFactor(admin.SimpleListFilter):
    """Filter operators by whether they use two-factor log-in."""

    title = _("two-factor")
    parameter_name = "two_factor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return (("on", _("on")), ("off", _("off")))

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in ("on", "off"):
            return queryset
        return queryset.filter(two_factor_at__isnull=self.value() == "off")


class OperatorForm(RowForm):
    """Form of an operator."""

    new_password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "new-password"}),
        help_text=_("At least 10 characters. It is never shown. Empty: unchanged, or chosen by who gets the mail."),
    )
    email_verified = forms.BooleanField(
        label=_("E-mail verified"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=_(
            "Only an administrator with a verified address can log in. Tick it when you know that it is right; "
            "otherwise a mail with a link goes to it."
        ),
    )

    class Meta:
        model = Operator
        fields = ("username", "email", "role", "language", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "email" in self.fields:  # not where the page is only looked at
            self.fields["email"].required = True
        new = self.instance.pk is None
        self.fields["email_verified"].initial = new or self.instance.email_verified_at is not None


@admin.register(Operator)
class OperatorAdmin(ServiceAdmin):
    """The list and the pages of operators."""

    form = OperatorForm
    list_display = (
        "username",
        "shown_role",
        "email",
        "shown_verified",
        "shown_two_factor",
        "shown_entry",
        "shown_login",
    )
    list_filter = ("role", "is_active", HasFactor)
    search_fields = ("username", "email")
    search_help_text = _("Name or e-mail address")
    ordering = ("username",)
    readonly_fields = ("shown_two_factor",)
    wire_names = {"password": "new_password"}
    actions = ("invite", "unlock", "reset_factor", "delete")
    actions_detail = ("invite", "unlock", "reset_factor", "delete")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        own = ("username", "email", "email_verified", "language", "role")
        if obj is None:
            return ((None, {"fields": (*own, "new_password"), "description": mail_note()}),)
        if not self.has_change_permission(request, obj):
            return (
                (
                    None,
                    {
                        "fields": (
                            "username",
                            "email",
                            "shown_two_factor",
                            "shown_entry",
                            "language",
                            "role",
                            "is_active",
                            "shown_login",
                        )
                    },
                ),
            )
        fields = (*own, "is_active", "shown_two_factor", "new_password")
        return ((None, {"fields": fields, "description": None if obj.email_verified_at else mail_note()}),)

    def create_row(self, request: HttpRequest, data: dict[str, Any]) -> Operator:
        wanted = fields_of(data, "username", "email", "email_verified", "language", "role")
        return create_operator(**wanted, password=data["new_password"], actor=actor_of(request))

    def update_row(self, request: HttpRequest, row: Operator, changes: dict[str, Any]) -> None:
        if password := changes.pop("new_password", ""):
            changes["password"] = password
        update_operator(row, actor=actor_of(request), **changes)

    @confirmed(
        _("Send the mail again"), explanation=_("A mail with a link that verifies the address goes to it."), icon="mail"
    )
    def invite(self, actor: Actor, row: Operator, _data: dict[str, Any]) -> None:
        invite_again(row, actor=actor)

    @confirmed(
        _("Unlock"),
        explanation=_("They can log in again at once where wrong passwords locked them out."),
        icon="lock_open",
    )
    def unlock(self, actor: Actor, row: Operator, _data: dict[str, Any]) -> bool:
        return unlock_operator(row, actor=actor) > 0

    @confirmed(
        _("Reset two-factor"),
        explanation=_(
            "Their app and recovery codes stop working, their sessions and access tokens end, and the password alone "
            "lets them in again. Be sure that it is really they who ask."
        ),
        icon="phonelink_erase",
        dangerous=True,
    )
    def reset_factor(self, actor: Actor, row: Operator, _data: dict[str, Any]) -> None:
        reset_two_factor(row, actor=actor)

    @confirmed(
        _("Delete"),
        explanation=_("They cannot log in any more. Events keep their names."),
        icon="delete",
        dangerous=True,
    )
    def delete(self, actor: Actor, row: Operator, _data: dict[str, Any]) -> None:
        delete_operator(row, actor=actor)

    @admin.display(description=_("role"), ordering="role")
    def shown_role(self, row: Operator) -> SafeString:
        return badge(row.get_role_display(), ROLE_TONES[Role(row.role)])

    @admin.display(description=_("e-mail verified"), ordering="email_verified_at")
    def shown_verified(self, row: Operator) -> SafeString | str:
        return time_ago(row.email_verified_at) if row.email_verified_at else badge(_("no"), "warning")

    @admin.display(description=_("two-factor"), ordering="two_factor_at")
    def shown_two_factor(self, row: Operator) -> SafeString | str:
        if row.two_factor_at:
            return time_ago(row.two_factor_at)
        return badge(_("to be set up"), "warning") if row.owes_factor else str(_("off"))

    @admin.display(description=_("may log in"))
    def shown_entry(self, row: Operator) -> SafeString | str:
        if row.may_enter:
            return badge(_("yes"), "success")
        why = _("e-mail not verified") if row.is_active else _("not active")
        return format_html("{} {}", badge(_("no"), "danger"), why)

    @admin.display(description=_("last login"), ordering="last_login")
    def shown_login(self, row: Operator) -> SafeString | str:
        return time_ago(row.last_login)

    def tables(self, request: HttpRequest, row: Operator) -> Iterable[Table]:
        tried = [(a.ip_address, a.failures_since_start, time_ago(a.attempt_time)) for a in wrong_passwords(row)]
        if tried:
            yield Table(_("Wrong passwords"), (_("from address"), _("attempts"), _("last")), tried)
        yield event_table(f"operator/{row.pk}")
