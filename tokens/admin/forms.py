"""The form of a token, with its environment as lines of a name and a value."""

from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import RowForm
from core.crypto import unreadable_secrets
from tokens.models import Token, TokenGroup

Lines = list[tuple[str, str]]
UNREADABLE = _("The stored variables cannot be decrypted. Those that you set here replace them; none: they stay.")


class EnvironmentWidget(forms.Widget):
    """Two inputs for each variable, and an empty pair for one more."""

    class Media:
        js = ("console/environment.js",)

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the inputs. A text that a link has set as the value of the field is ignored."""
        lines = [line for line in value or () if isinstance(line, tuple)]
        context = {"name": name, "id": (attrs or {}).get("id", name), "lines": [*lines, ("", "")]}
        return render_to_string("admin/environment.html", context)

    def value_from_datadict(self, data: Any, _files: Any, name: str) -> Lines:
        """Return the lines of a posted form, empty ones left out."""
        lines = zip(data.getlist(f"{name}-name"), data.getlist(f"{name}-value"), strict=False)
        return [(variable.strip(), value) for variable, value in lines if variable.strip() or value]

    def value_omitted_from_data(self, data: Any, _files: Any, name: str) -> bool:
        """Whether the form has no such lines at all."""
        return f"{name}-name" not in data


class EnvironmentField(forms.Field):
    """Variables, as a mapping of names to texts."""

    widget = EnvironmentWidget

    def prepare_value(self, value: Any) -> Any:
        """Return the lines of variables."""
        return list(value.items()) if isinstance(value, dict) else value

    def to_python(self, value: Any) -> dict[str, str]:
        """Return the variables by name. Raises ValidationError for a name that is given twice."""
        lines: Lines = list(value or [])
        variables = dict(lines)
        if len(variables) < len(lines):
            twice = sorted({name for name, _value in lines if [one for one, _v in lines].count(name) > 1})
            raise forms.ValidationError(_("A variable is given twice: %(names)s."), params={"names": ", ".join(twice)})
        return variables

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether names or values differ, whatever their order."""
        return dict(initial or {}) != dict(data or [])


class TokenForm(RowForm):
    """A token's description, limits, environment and user groups."""

    env = EnvironmentField(
        label=_("environment"),
        required=False,
        help_text=_("Variables for its workers. Events name them, never values."),
    )

    class Meta:
        model = Token
        fields = (
            "description",
            "priority",
            "max_sda_count",
            "max_duplicates",
            "max_devices",
            "access_level",
            "env",
            "groups",
        )
        help_texts = {
            "groups": _("What the token may use comes from the memberships of these groups."),
            "access_level": _("What the client may see and do beyond its own jobs."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "env" in self.fields and "env" in unreadable_secrets(self.instance):
            self.initial["env"] = {}
            self.fields["env"].help_text = UNREADABLE
        if "groups" in self.fields:
            self.fields["groups"].queryset = TokenGroup.objects.live()  # type: ignore[attr-defined]
