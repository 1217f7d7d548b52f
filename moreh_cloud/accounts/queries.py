from datetime import datetime

from django.db.models import QuerySet
from knox.crypto import hash_token

from moreh_cloud.accounts.models import AccessToken, Operator


def live_access(value: str, now: datetime) -> AccessToken | None:
    """Find the access token that a program presents, with its operator, in one query by its digest."""
    found: AccessToken | None = (
        AccessToken.objects.select_related("user").filter(digest=hash_token(value), expiry__gt=now).first()
    )
    return found


def access_of(operator: Operator, now: datetime) -> QuerySet[AccessToken]:
    """Give the access tokens of an operator that have not ended, oldest first."""
    rows: QuerySet[AccessToken] = AccessToken.objects.filter(user=operator, expiry__gt=now)
    return rows
