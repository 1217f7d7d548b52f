"""The BMCs of nodes: their addresses and logins."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from alerts.choices import Category
from alerts.services import clear_alert
from alerts.subjects import node
from backends.choices import NOT_OVER
from backends.errors import ActionUnderWay
from backends.models import Bmc, PowerAction
from backends.power.certificate import normal_certificate, short_certificate
from backends.power.driver import BmcAddress, require_allowed
from backends.power.drivers import DRIVERS
from backends.power.errors import AddressNotAllowed
from backends.services.logins import require_login, require_stored_login
from backends.services.monitoring import forget_monitoring
from backends.services.validation import require_valid
from core.errors import InvalidParameter

BMC_FIELDS = ("ip", "port", "user", "password", "driver", "certificate")
WIRE_NAMES = {"ip": "node", "port": "bmcPort", "driver": "bmcDriver"}


def update_bmc(bmc: Bmc, changes: dict[str, Any]) -> None:
    """Change address, port, login, driver or certificate; an empty address removes the BMC.

    The stored login must fit another driver. A port that nobody chose follows the driver.
    Raises InvalidParameter, ActionUnderWay. The caller's transaction.
    """
    if "ip" in changes and not changes["ip"]:
        _remove_bmc(bmc)
        return
    had, follows = bmc.driver, bmc.port == default_port(bmc.driver) and "port" not in changes
    for name in BMC_FIELDS:
        if name in changes:
            setattr(bmc, name, changes[name])
    if follows or changes.get("port", had) is None:
        bmc.port = default_port(bmc.driver) or bmc.port
    require_valid_bmc(bmc)
    require_login(bmc.driver, user=changes.get("user"), password=changes.get("password"))
    if bmc.driver != had:
        require_stored_login(bmc)
    bmc.wrong_logins, bmc.weak = [], None
    bmc.save(update_fields=[*changes, "port", "wrong_logins", "weak"])
    if changes.keys() & {"ip", "port", "driver"}:  # another BMC, perhaps
        Bmc.objects.filter(pk=bmc.pk).update(**forget_monitoring(bmc.pk))


def recorded_changes(bmc: Bmc, changes: dict[str, Any]) -> dict[str, Any]:
    """Return what an event says of changes that were made: no login, and of a CA only its fingerprint."""
    told: dict[str, Any] = {name: changes[name] for name in ("ip", "port", "driver") if name in changes}
    if "driver" in changes:
        told["port"] = bmc.port
    if "certificate" in changes:
        told["certificate"] = short_certificate(bmc.certificate)
    return {**told, "login": "changed"} if changes.keys() & {"user", "password"} else told


def default_port(driver: str) -> int | None:
    """Return the port on which BMCs listen that speak a driver's protocol; None if there is no such driver."""
    return DRIVERS[driver].port if driver in DRIVERS else None


def _remove_bmc(bmc: Bmc) -> None:
    """Delete address, login and readings. Raises ActionUnderWay."""
    Bmc.objects.select_for_update().get(pk=bmc.pk)  # request_power holds it while it makes an action
    if PowerAction.objects.filter(backend=bmc.pk, state__in=NOT_OVER).exists():
        raise ActionUnderWay(id=bmc.pk)
    blank = Bmc(backend=bmc.backend, port=bmc.port, driver=bmc.driver)
    blank.save(force_update=True)
    for category in (Category.BMC_UNREACHABLE, Category.BMC_WEAK):
        clear_alert(category, node(bmc.pk))
    forget_monitoring(bmc.pk)


def require_valid_bmc(bmc: Bmc) -> None:
    """Raise InvalidParameter unless all but the login is valid and the address is allowed.

    The certificate is brought to its normal form.
    """
    require_valid(bmc, names=WIRE_NAMES)
    try:
        bmc.certificate = normal_certificate(bmc.certificate)
    except ValueError:
        text = _("Neither a SHA-256 fingerprint (64 hexadecimal digits) nor a certificate in PEM.")
        raise InvalidParameter(text, parameter="bmcCertificate") from None
    if bmc.ip is None:
        return
    try:
        require_allowed(BmcAddress(bmc.ip, bmc.port), settings.MOREH_BMC_NETWORKS)
    except AddressNotAllowed as error:
        raise InvalidParameter(
            _("The BMC address lies outside the networks that are allowed."), parameter="node"
        ) from error
