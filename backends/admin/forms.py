from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordToggleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from backends.choices import DeviceStatus
from backends.models import Backend, BackendGroup, EnrolmentKey
from backends.models.nodes import MAX_DEVICES
from moreh_cloud.lib.admin import ConfirmForm, ForceForm, RowForm

NEVER_SHOWN = _("Stored encrypted and never shown. Empty: unchanged.")
SETTABLE = (DeviceStatus.IDLE, DeviceStatus.SHUTDOWN, DeviceStatus.BUSY)


class BackendForm(RowForm):
    """A node and how to reach its BMC; the login can be written, never read."""

    bmc_ip = forms.GenericIPAddressField(
        label=_("BMC address"), widget=UnfoldAdminTextInputWidget, help_text=_("Must lie in a permitted network.")
    )
    bmc_port = forms.IntegerField(
        label=_("BMC port"), min_value=1, max_value=65_535, initial=623, widget=UnfoldAdminIntegerFieldWidget
    )
    bmc_user = forms.CharField(
        label=_("BMC user"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=NEVER_SHOWN,
    )
    bmc_password = forms.CharField(
        label=_("BMC password"),
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "new-password"}),
        help_text=NEVER_SHOWN,
    )
    devices = forms.IntegerField(
        label=_("Devices"),
        min_value=0,
        max_value=MAX_DEVICES,
        initial=8,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("0 to 32. They stay shut down until the node's agent says hello."),
    )
    device_model = forms.CharField(
        label=_("Device model"),
        max_length=64,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Like MI250 or A100; the agent corrects it."),
    )

    class Meta:
        model = Backend
        fields = ("name", "group", "type", "ip", "port", "description")
        help_texts = {
            "name": _("Unique among the nodes that are not deleted."),
            "group": _("Jobs are placed within one group. Running jobs stay when a node moves."),
            "ip": _("Where clients reach the node's workers."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "group" in self.fields:  # not where the page is only looked at
            self.fields["group"].queryset = BackendGroup.objects.live()  # type: ignore[attr-defined]
        if self.instance.pk is not None:
            self.initial.update(bmc_ip=self.instance.bmc.ip, bmc_port=self.instance.bmc.port)


class PowerForm(ForceForm):
    """Nothing but `force`: the stored login is used."""


class MoveForm(ConfirmForm):
    group = forms.ModelChoiceField(
        label=_("To the backend group"), queryset=BackendGroup.objects.live(), widget=UnfoldAdminSelectWidget
    )


class DeviceStatusForm(ForceForm):
    status = forms.ChoiceField(
        label=_("Status"),
        choices=[(status.value, status.label) for status in SETTABLE],
        widget=UnfoldAdminSelectWidget,
        help_text=_("A device with a job drains: it changes when the job is over."),
    )
    field_order = ("status", "force")


class EnrolmentForm(RowForm):
    hours = forms.IntegerField(
        label=_("Valid for (hours)"), min_value=1, max_value=720, initial=24, widget=UnfoldAdminIntegerFieldWidget
    )

    class Meta:
        model = EnrolmentKey
        fields = ("group",)
        help_texts = {"group": _("The new node joins this group.")}
