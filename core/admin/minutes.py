"""Times to the minute in forms of rows."""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.functional import cached_property, lazy
from django.utils.translation import gettext as _
from unfold.widgets import INPUT_CLASSES

from core.admin.row_forms import RowForm
from core.errors import Message
from core.moments import MomentField
from core.times import read_time

CLASSES = " ".join(INPUT_CLASSES)
MINUTE = "%Y-%m-%dT%H:%M"


def moment_field(label: Message, help_text: Message, *, required: bool = True) -> MomentField:
    """Return a field for a time to the minute."""
    return MomentField(
        label=label, help_text=_in_zone(help_text), required=required, shape=MINUTE, step="60", classes=CLASSES
    )


def _with_zone(help_text: Message) -> str:
    return f"{help_text} {_('Time zone: %(zone)s.') % {'zone': timezone.get_current_timezone_name()}}"


_in_zone = lazy(_with_zone, str)


class MinuteForm(RowForm):
    """A form that shows times to the minute."""

    @cached_property
    def changed_data(self) -> list[str]:
        """Return the names of the fields that differ; the form shows times to the minute."""
        return [name for name in super().changed_data if not self._same_minute(name)]

    def _same_minute(self, name: str) -> bool:
        stored, given = self.initial.get(name), self[name].data
        if not isinstance(stored, datetime) or not given:
            return False
        try:
            at = read_time(str(given))
        except ValidationError:
            return False
        return stored.replace(second=0, microsecond=0) == at.replace(second=0, microsecond=0)
