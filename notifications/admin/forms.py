"""The forms of rules and silences."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from alerts.choices import Category
from core.admin import RowForm
from core.admin.minutes import MinuteForm, moment_field
from notifications.choices import Weekday
from notifications.models import Rule, Silence


def categories_field(help_text: Any) -> forms.MultipleChoiceField:
    """Return the field for categories of alerts."""
    return forms.MultipleChoiceField(
        label=_("Categories"),
        choices=lambda: Category.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=help_text,
    )


class RuleForm(RowForm):
    """A rule."""

    categories = categories_field(_("None: alerts of every category."))
    weekdays = forms.MultipleChoiceField(
        label=_("Days"),
        choices=Weekday.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("None: every day."),
    )
    from_time = forms.TimeField(
        label=_("From"), required=False, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "22:00"})
    )
    to_time = forms.TimeField(
        label=_("To"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "06:00"}),
        help_text=_("Empty: all day. What is raised at other times is told when the hours begin, if it is open then."),
    )
    time_zone = forms.CharField(
        label=_("Time zone"),
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "Asia/Seoul"}),
        help_text=_("Empty: that of the installation."),
    )

    class Meta:
        model = Rule
        fields = (
            *("name", "enabled", "channels", "categories", "least_level", "groups", "tags", "tokens"),
            *("group_wait_s", "repeat_min", "send_resolved", "weekdays", "from_time", "to_time", "time_zone"),
        )


class SilenceForm(MinuteForm):
    """A silence; which alerts are meant is asked for only once."""

    categories = categories_field(_("None: of every category; then choose a group, tag or token at least."))
    starts_at = moment_field(_("From"), _("Empty or past: at once."), required=False)
    ends_at = moment_field(_("To"), _("Then what is still open is sent."))

    class Meta:
        model = Silence
        fields = ("categories", "least_level", "groups", "tags", "tokens", "starts_at", "ends_at", "comment")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            del self.fields["categories"]
