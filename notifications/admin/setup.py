"""The page that makes a channel and a rule in one step, shows what a message looks like, and sends a test."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from core.admin import Secret
from core.admin.row_forms import with_errors
from core.errors import DomainError
from core.mail_note import mail_note
from events.admin import actor_of
from notifications.choices import Preset
from notifications.messages import ALERT
from notifications.models import Rule
from notifications.services import set_up
from outbox.admin.channels import SECRET_NOTE
from outbox.admin.forms import RecipientsField
from outbox.choices import AttemptResult, ChannelKind, Language
from outbox.queries import live_channels
from outbox.sending.details import shown_detail
from outbox.sending.targets import LONGEST
from outbox.services.preview import Preview, preview_as
from outbox.services.testing import send_test

NEEDED = {
    "recipients": _("Enter a mail address."),
    "url": _("Enter the address of the webhook."),
    "channel": _("Choose a channel."),
}
WIRE = {"channels": "channel"}


class SetupForm(forms.Form):
    """What to hear of, and where."""

    name = forms.CharField(
        label=_("Name"),
        max_length=128,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": _("on-call")}),
        help_text=_("Of the rule, and of a new channel."),
    )
    preset = forms.ChoiceField(
        label=_("Tell of"), choices=Preset.choices, initial=Preset.NODES, widget=UnfoldAdminRadioSelectWidget
    )
    kind = forms.ChoiceField(
        label=_("By"),
        choices=[*ChannelKind.choices, ("", _("a channel that exists"))],
        initial=ChannelKind.MAIL,
        required=False,
        widget=UnfoldAdminRadioSelectWidget,
    )
    recipients = RecipientsField(
        label=_("Mail addresses"),
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Of mail: addresses, one in each line."),
    )
    url = forms.CharField(
        label=_("Address"),
        required=False,
        max_length=LONGEST,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "placeholder": "https://"}),
        help_text=_("Of webhooks: where they are posted to. Stored encrypted and never shown."),
    )
    channel = forms.ModelChoiceField(
        label=_("Channel"), queryset=live_channels().none(), required=False, widget=UnfoldAdminSelectWidget
    )
    language = forms.ChoiceField(label=_("Language"), choices=Language.choices, widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["channel"].queryset = live_channels()  # type: ignore[attr-defined]
        self.fields["language"].initial = "ko" if (get_language() or "").startswith("ko") else "en"

    def clean(self) -> dict[str, Any]:
        """Require the destination that was chosen."""
        data: dict[str, Any] = super().clean() or {}
        needed = {ChannelKind.MAIL: "recipients", ChannelKind.WEBHOOK: "url", ChannelKind.SLACK: "url", "": "channel"}
        name = needed.get(data["kind"], "") if "kind" in data else ""
        if name and not data.get(name) and name not in self.errors:
            self.add_error(name, NEEDED[name])
        return data

    def given(self) -> dict[str, Any]:
        """Return what is to be set up: a rule, and its channel or what makes a new one."""
        data = self.cleaned_data
        of_rule = {"name": data["name"], "preset": Preset(data["preset"])}
        if not data["kind"]:
            return {**of_rule, "channel": data["channel"]}
        to = "recipients" if data["kind"] == ChannelKind.MAIL else "url"
        return {**of_rule, **{name: data[name] for name in ("kind", "language", to)}}


def setup_page(admin: Any, request: HttpRequest) -> HttpResponse:
    """Show the form, a preview of the message, or make channel and rule and send a test."""
    if not admin.has_operate_permission(request):
        raise PermissionDenied
    form = SetupForm(request.POST or None)
    preview = None
    if request.method == "POST" and form.is_valid():
        try:
            if "preview" not in request.POST:
                return _made(admin, request, form)
            preview = _preview(request, form)
        except DomainError as refusal:
            form = with_errors(SetupForm, refusal, WIRE)(request.POST)
    context = {
        **admin.admin_site.each_context(request),
        "title": _("Set up notifications"),
        "opts": admin.model._meta,
        "form": form,
        "preview": preview,
        "mail_note": mail_note(),
    }
    return TemplateResponse(request, "notifications/setup.html", context)


def _made(admin: Any, request: HttpRequest, form: SetupForm) -> HttpResponse:
    rule, secret = set_up(actor=actor_of(request), **form.given())
    messages.success(request, _("It is set up: the rule tells from now on, and of what is open."))
    if "test" in request.POST:
        _test(request, rule)
    if secret:
        shown: HttpResponse = admin.show_secret(request, rule, Secret(_("Secret"), secret, SECRET_NOTE))
        return shown
    return HttpResponseRedirect(reverse("admin:notifications_rule_change", args=[rule.pk]))


def _test(request: HttpRequest, rule: Rule) -> None:
    for channel in rule.channels.all():
        attempt = send_test(channel, actor=actor_of(request))
        result = _("Test message: %(result)s") % {"result": attempt.get_result_display()}
        told = messages.success if attempt.result == AttemptResult.OK and not attempt.detail else messages.warning
        told(request, f"{result}, {shown_detail(attempt.detail)}" if attempt.detail else result)


def _preview(request: HttpRequest, form: SetupForm) -> Preview:
    """Return a message as it would be sent. Raises what saving would raise, and saves nothing."""
    data = form.cleaned_data
    with transaction.atomic():
        set_up(actor=actor_of(request), **form.given())
        transaction.set_rollback(True)
    kind = data["kind"] or data["channel"].kind
    return preview_as(ALERT, kind, data["language"] if data["kind"] else data["channel"].language, rule=data["name"])
