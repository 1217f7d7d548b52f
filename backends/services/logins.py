"""The check that the driver of a BMC can send a login, made when the login is set."""

from django.utils.translation import gettext_lazy as _

from backends.models import Bmc
from backends.power.drivers import DRIVERS
from core.crypto import SecretUnreadable
from core.errors import InvalidParameter
from core.stored_text import StoredText
from core.texts import require_texts


def require_login(driver: str, *, user: str | None = None, password: str | None = None) -> None:
    """Raise InvalidParameter, naming user or pwd, unless the driver can send the login. Lengths are in UTF-8."""
    require_texts(None, user=user or "", pwd=password or "")
    most = DRIVERS[driver].login_bytes
    if user and len(user.encode()) > most.user:
        text = StoredText(_("The user of a BMC has at most %(bytes)s bytes."), {"bytes": most.user})
        raise InvalidParameter(text, parameter="user")
    if password == "":
        raise InvalidParameter(_("The password of a BMC must not be empty."), parameter="pwd")
    if password and len(password.encode()) > most.password:
        text = StoredText(_("The password of a BMC has at most %(bytes)s bytes."), {"bytes": most.password})
        raise InvalidParameter(text, parameter="pwd")


def require_stored_login(bmc: Bmc) -> None:
    """Raise InvalidParameter unless the BMC's driver can send the stored login; an unreadable one must be set anew."""
    try:
        require_login(bmc.driver, user=bmc.user, password=bmc.password or None)
    except SecretUnreadable:
        return
