from django.utils.translation import gettext_lazy as _

from core.errors import DomainError


class KeyReused(DomainError):
    """The key was used for another request."""

    code = "KEY_REUSED"
    message = _("This Idempotency-Key came with another request before.")
