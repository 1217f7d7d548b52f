"""The forms of nodes, devices and enrolment keys."""

from typing import Any

from django import forms
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordToggleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from backends.choices import MAX_DEVICES, DeviceStatus
from backends.models import Backend, BackendGroup, EnrolmentKey
from backends.power.certificate import LONGEST
from backends.power.drivers import DEFAULT_DRIVER, titles
from core.admin import ConfirmForm, ForceForm, RowForm
from core.admin.actions import force_field
from core.crypto import unreadable_secrets

UNREADABLE = _("The stored one cannot be decrypted. Set it anew.")
NEVER_SHOWN = _("Stored encrypted and never shown. Empty: unchanged.")
# The field that a parameter of an error belongs to, where the names differ.
WIRE_NAMES = {
    "label": "name",
    "workerip": "ip",
    "node": "bmc_ip",
    "bmcPort": "bmc_port",
    "bmcDriver": "bmc_driver",
    "bmcCertificate": "bmc_certificate",
    "user": "bmc_user",
    "pwd": "bmc_password",
    "deviceModel": "device_model",
    "tags": "tag_names",
}
SETTABLE = (DeviceStatus.IDLE, DeviceStatus.SHUTDOWN, DeviceStatus.BUSY)


class TagsField(forms.CharField):
    """Names of tags, separated by commas."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        """Return the names as one text."""
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the names."""
        return [name.strip() for name in str(value or "").split(",") if name.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether the names differ, whatever their order."""
        return sorted(self.to_python(self.prepare_value(initial or ""))) != sorted(self.to_python(data))


class BackendForm(RowForm):
    """A node and its BMC; the login of the BMC can be set, but is never shown."""

    bmc_ip = forms.GenericIPAddressField(
        label=_("BMC address"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Must lie in a permitted network. Empty: the node has no BMC."),
    )
    bmc_driver = forms.ChoiceField(
        label=_("BMC protocol"), choices=titles, required=False, initial=DEFAULT_DRIVER, widget=UnfoldAdminSelectWidget
    )
    bmc_port = forms.IntegerField(
        label=_("BMC port"),
        min_value=1,
        max_value=65_535,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("Empty: the usual one, 623 for IPMI and 443 for Redfish."),
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
    bmc_certificate = forms.CharField(
        label=_("BMC certificate"),
        required=False,
        max_length=LONGEST,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_(
            "Redfish only: the SHA-256 fingerprint of the BMC's certificate, or the CA that signed it, in PEM. "
            "Empty: the CAs of the installation."
        ),
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

    tag_names = TagsField(
        label=_("Tags"), required=False, help_text=_("Separated by commas. A tag that does not exist yet is created.")
    )

    @cached_property
    def changed_data(self) -> list[str]:
        """Return the names of the fields that differ; a form without a field of the BMC keeps what is stored."""
        kept = {name for name in ("bmc_driver", "bmc_port") if self.data.get(self.add_prefix(name)) is None}
        if _lines(self["bmc_certificate"].data) == _lines(self["bmc_certificate"].initial):
            kept.add("bmc_certificate")
        return [name for name in super().changed_data if name not in kept]

    class Meta:
        model = Backend
        fields = ("name", "group", "type", "ip", "port", "description", "rack", "unit", "serial")
        help_texts = {
            "name": _("Unique among the nodes that are not deleted."),
            "group": _("Jobs are placed within one group. Running jobs stay when a node moves."),
            "ip": _("Where clients reach the node's workers."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "group" in self.fields:  # read-only pages have no fields
            self.fields["group"].queryset = BackendGroup.objects.live()  # type: ignore[attr-defined]
        if self.instance.pk is not None:
            for name in ("devices", "device_model"):  # only asked for with a new node
                self.fields.pop(name, None)
            self.initial["tag_names"] = [tag.name for tag in self.instance.tags.all()]
            bmc = self.instance.bmc
            self.initial.update(
                bmc_ip=bmc.ip, bmc_port=bmc.port, bmc_driver=bmc.driver, bmc_certificate=bmc.certificate
            )
            for name in unreadable_secrets(self.instance.bmc):
                if field := self.fields.get(f"bmc_{name}"):
                    field.help_text = UNREADABLE


def _lines(text: str | None) -> list[str]:
    """Return the lines of a text; browsers end each with a carriage return too."""
    return (text or "").split()


class PowerForm(ForceForm):
    """Whether jobs are lost or the node is drained first; the stored login is used."""

    drain = force_field(
        _("Drain first"),
        _("New jobs go elsewhere. It is carried out when the last job has ended. The drain stays until Activate."),
    )
    drain_minutes = forms.IntegerField(
        label=_("Wait at most (minutes)"),
        min_value=1,
        max_value=30 * 24 * 60,
        initial=60,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("For a drain, 60 if it is empty. Then it is given up, unless the box below is ticked."),
    )
    drain_force = force_field(_("Then even with jobs"), _("Jobs that still run when that time is over are lost."))
    field_order = ("drain", "drain_minutes", "drain_force", "force")


class MoveForm(ConfirmForm):
    """The group that nodes are moved to."""

    group = forms.ModelChoiceField(
        label=_("To the backend group"), queryset=BackendGroup.objects.live(), widget=UnfoldAdminSelectWidget
    )


class DeviceStatusForm(ForceForm):
    """The status that devices are set to."""

    status = forms.ChoiceField(
        label=_("Status"),
        choices=[(status.value, status.label) for status in SETTABLE],
        widget=UnfoldAdminSelectWidget,
        help_text=_("A device with a job drains: it changes when the job is over."),
    )
    field_order = ("status", "force")


class EnrolmentForm(RowForm):
    """The group of a new enrolment key, and how long it is valid."""

    hours = forms.IntegerField(
        label=_("Valid for (hours)"), min_value=1, max_value=720, initial=24, widget=UnfoldAdminIntegerFieldWidget
    )

    class Meta:
        model = EnrolmentKey
        fields = ("group",)
        help_texts = {"group": _("The new node joins this group.")}
