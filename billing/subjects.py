"""The things of this app that alerts are about."""

from alerts.choices import SubjectKind
from alerts.subjects import SubjectSource, register
from billing.models import Budget

register({SubjectKind.BUDGET: SubjectSource(Budget, name="token__description", customer="token")})
