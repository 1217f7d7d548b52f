"""The things of this app that alerts are about."""

from alerts.choices import SubjectKind
from alerts.subjects import SubjectSource, register
from backends.models import Backend, BackendGroup, Device

register(
    {
        SubjectKind.NODE: SubjectSource(Backend, name="name", group="group", tags="tags"),
        SubjectKind.NODE_GROUP: SubjectSource(BackendGroup, name="name", group="pk"),
        SubjectKind.DEVICE: SubjectSource(
            Device, name="backend__name", group="backend__group", tags="backend__tags", index="index"
        ),
    }
)
