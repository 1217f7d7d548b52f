import atexit
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache

from django.conf import settings

from backends.choices import ActionState, PowerStatus, PowerVerb
from backends.models import Bmc, PowerAction
from backends.power.driver import BmcAddress, BmcLogin, PowerCommand, PowerError, PowerState, WrongLogin
from backends.power.logins import recent_wrong, require_login_allowed
from backends.power.patience import GAP, Outcome, Patience, Verdict, after_crash
from backends.power.pool import DriverPool, PooledBmc
from backends.queries import bmcs_to_check, bmcs_to_probe
from backends.services.power import (
    Claim,
    LeaseLost,
    Sight,
    claim_action,
    end_action,
    forget_weakness,
    note_sights,
    note_weakness,
    note_wrong_login,
    record_sent,
)
from moreh_cloud.lib.clock import db_now, to_ms

PROBES = 20  # BMCs looked at for weakness in one go
NAP = 5.0  # seconds; long pauses are slept in pieces, so that the lease is kept


@lru_cache(maxsize=1)
def pool() -> DriverPool:
    """Give this process's driver processes, started when first needed."""
    made = DriverPool(networks=settings.MOREH_BMC_NETWORKS)
    atexit.register(made.close)
    return made


def drive(action_id: int) -> None:
    """Carry one power action to its end, if nobody else is at it."""
    claim = claim_action(action_id)
    if claim is None:
        return
    action = PowerAction.objects.select_related("backend__bmc").get(pk=action_id)
    try:
        _settle(claim, action, _carry_out(claim, action))
    except PowerError as error:
        _fail(claim, action, error)
    except LeaseLost:
        return


def _carry_out(claim: Claim, action: PowerAction) -> Outcome:
    bmc = action.backend.bmc
    require_login_allowed(_wrong_logins(bmc), db_now())
    login = _login(bmc, action.user, action.password)
    rest = after_crash(PowerCommand(action.command), [PowerCommand(sent) for sent in action.sent])
    if rest is None:
        return Outcome(Verdict.UNKNOWN, PowerState.UNKNOWN)
    patience = Patience(
        bmc=PooledBmc(pool(), login, timeout=settings.MOREH_POWER_DEADLINE.total_seconds()),
        on_sent=lambda command: record_sent(claim, PowerVerb(command)),
        on_look=lambda _seen: claim.prolong(),
        now=time.monotonic,
        sleep=lambda seconds: _sleep(claim, seconds),
    )
    _keep_distance(claim, bmc)
    return patience.carry_out(rest)


def _settle(claim: Claim, action: PowerAction, outcome: Outcome) -> None:
    if outcome.state is not PowerState.UNKNOWN:
        note_sights({action.backend_id: Sight(PowerStatus(outcome.state))})
    if action.command == PowerVerb.RECONNECT:
        forget_weakness(action.backend.bmc)
    if outcome.verdict is Verdict.CONFIRMED:
        end_action(claim, ActionState.SUCCEEDED)
        return
    message = "It was sent, but the BMC did not answer; whether it was carried out is not known."
    end_action(claim, ActionState.UNKNOWN, code="UNKNOWN", message=message)


def _fail(claim: Claim, action: PowerAction, error: PowerError) -> None:
    """End an action whose patience is over; once it was sent, only a refusal is certain."""
    if isinstance(error, WrongLogin):
        _count_wrong_login(action.backend.bmc)
    note_sights({action.backend_id: Sight(PowerStatus.UNKNOWN, error.code)})
    sent = PowerAction.objects.get(pk=action.pk).state == ActionState.SENT
    state = ActionState.UNKNOWN if sent and not error.fatal else ActionState.FAILED
    end_action(claim, state, code=error.code, message=str(error))


def _count_wrong_login(bmc: Bmc) -> None:
    now = db_now()
    note_wrong_login(bmc.pk, recent_wrong(_wrong_logins(bmc), now))


def _wrong_logins(bmc: Bmc) -> list[datetime]:
    return [datetime.fromtimestamp(at / 1000, UTC) for at in bmc.wrong_logins]


def _login(bmc: Bmc, user: str = "", password: str = "") -> BmcLogin:
    """Make the login to use: the one given for this action, else the stored one."""
    address = BmcAddress(bmc.ip, bmc.port)
    return BmcLogin(address, (user or bmc.user).encode(), (password or bmc.password).encode())


def _keep_distance(claim: Claim, bmc: Bmc) -> None:
    """Leave some firmware its breath after the last command of an earlier action."""
    if bmc.commanded_at:
        _sleep(claim, GAP - (to_ms(db_now()) - to_ms(bmc.commanded_at)) / 1000)


def _sleep(claim: Claim, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        claim.prolong()
        time.sleep(min(left, NAP))


def sweep_power() -> None:
    """Look at every BMC whose state is older than MOREH_POWER_FRESH; silent ones delay nobody."""
    stale = {bmc.pk: bmc for bmc in bmcs_to_check(db_now() - settings.MOREH_POWER_FRESH)}
    sights: dict[int, Sight] = {}
    for pk, seen in _look_at(stale, sights):
        if isinstance(seen, WrongLogin):
            _count_wrong_login(stale[pk])
        sights[pk] = Sight(PowerStatus.UNKNOWN, seen.code) if isinstance(seen, PowerError) else Sight(PowerStatus(seen))
    note_sights(sights)


def _look_at(stale: dict[int, Bmc], sights: dict[int, Sight]) -> Iterator[tuple[int, PowerState | PowerError]]:
    """Ask all BMCs at once; those that may not be asked are noted in `sights`."""
    logins = []
    now = db_now()
    for pk, bmc in stale.items():
        try:
            require_login_allowed(_wrong_logins(bmc), now)
            logins.append((pk, _login(bmc)))
        except PowerError as error:
            sights[pk] = Sight(PowerStatus.UNKNOWN, error.code)
    return pool().sweep(logins, settings.MOREH_POWER_DEADLINE.total_seconds())


def probe_bmcs() -> None:
    """Look which BMCs would let a stranger in, a few at a time: each once, and again after a reconnect."""
    for bmc in bmcs_to_probe(PROBES):
        with suppress(PowerError):
            note_weakness(bmc, weak=pool().accepts_weak_auth(_login(bmc)))
