import hashlib
from datetime import datetime

from django.db.models import QuerySet

from accounts.models import AccessToken, Operator


def access_digest(value: str) -> str:
    """Return the SHA-512 of an access token in hex, by which it is stored and found."""
    return hashlib.sha512(value.encode()).hexdigest()


def live_access(value: str, now: datetime) -> AccessToken | None:
    """Return the access token with this value and its operator, in one query by its digest; None if there is none."""
    found: AccessToken | None = (
        AccessToken.objects.select_related("user").filter(digest=access_digest(value), expiry__gt=now).first()
    )
    return found


def access_of(operator: Operator, now: datetime) -> QuerySet[AccessToken]:
    """Return the access tokens of an operator that have not ended, oldest first."""
    rows: QuerySet[AccessToken] = AccessToken.objects.filter(user=operator, expiry__gt=now)
    return rows


def is_operator(username: str) -> bool:
    """Whether there is an operator of this name, active or not."""
    return Operator.objects.filter(username=username).exists()
