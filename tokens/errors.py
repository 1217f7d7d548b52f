from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.errors import DomainError


class TokenHasSda(DomainError):
    code = "TOKEN_HAS_SDA"
    message = _("The token still owns SDAs.")


class TokenGroupNotEmpty(DomainError):
    code = "GROUP_NOT_EMPTY"
    message = _("The group still has tokens.")
