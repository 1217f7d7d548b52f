from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.errors import DomainError


class KeyReused(DomainError):
    code = "KEY_REUSED"
    message = _("This Idempotency-Key came with another request before.")
