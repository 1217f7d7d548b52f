"""The driver processes of a worker, and the logins with which it uses them."""

import atexit
from datetime import datetime
from functools import lru_cache

from django.conf import settings

from backends.models import Bmc
from backends.power.driver import BmcAddress
from backends.power.errors import UnreadableLogin
from backends.power.login import BmcLogin
from backends.power.pool import DriverPool
from core.clock import from_ms
from core.crypto import SecretUnreadable


@lru_cache(maxsize=1)
def pool() -> DriverPool:
    """Return this process's driver processes, started when first needed."""
    made = DriverPool(networks=settings.MOREH_BMC_NETWORKS)
    atexit.register(made.close)
    return made


def wrong_logins(bmc: Bmc) -> list[datetime]:
    """Return the times of the last wrong logins."""
    return [from_ms(at) for at in bmc.wrong_logins]


def login_of(bmc: Bmc, user: str = "", password: str = "") -> BmcLogin:
    """Return the login to use: the one given for this action, else the stored one. Raises UnreadableLogin."""
    address = BmcAddress(bmc.ip or "", bmc.port)  # an action needs a BMC, and one under way keeps it
    try:
        name, secret = (user or bmc.user).encode(), (password or bmc.password).encode()
        return BmcLogin(address, name, secret, bmc.driver, bmc.certificate or str(settings.MOREH_BMC_CA or ""))
    except SecretUnreadable as error:
        raise UnreadableLogin(f"{error.place} cannot be decrypted") from None
