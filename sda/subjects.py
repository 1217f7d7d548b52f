"""The things of this app that alerts are about."""

from alerts.choices import SubjectKind
from alerts.subjects import SubjectSource, register
from sda.models import Sda

register(
    {SubjectKind.SDA: SubjectSource(Sda, name="description", customer="token", group="model_group__backend_group")}
)
