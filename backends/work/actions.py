"""What workers carry out: power actions."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from django.conf import settings
from django.db import transaction

from backends.choices import MONITORING, ActionState, PowerStatus, PowerVerb
from backends.models import Bmc, PowerAction
from backends.power.driver import PowerCommand, PowerState
from backends.power.errors import PowerError, WrongLogin
from backends.power.logins import require_login_allowed
from backends.power.operation import COMMAND_GAP, OperationResult, PowerOperation, remaining_command
from backends.power.pool import PooledBmc
from backends.services.monitoring import record_monitor_error
from backends.services.power import PowerLease, end_action, lease_action, record_sent
from backends.services.power_readings import (
    PowerReading,
    record_wrong_login,
    reset_weakness,
    store_power_readings,
)
from backends.work.drivers import login_of, pool, wrong_logins
from backends.work.monitoring import end_monitoring, monitor
from backends.work.slot import BmcSlot, store
from core.clock import db_now, to_ms
from core.lease import LeaseLost

LONGEST_SLEEP = 5.0  # seconds; between the pieces of a long pause the lease is prolonged


def drive(action_id: int) -> None:
    """Carry out a power action to its end, unless another worker has its lease or it waits for its turn."""
    lease = lease_action(action_id)
    if lease is None:
        return
    action = PowerAction.objects.select_related("backend__bmc").get(pk=action_id)
    slot = BmcSlot(lease, action.backend_id)
    try:
        store(lease, _end_of(slot, action))
    except LeaseLost:
        return
    finally:
        slot.give_back()


def _end_of(slot: BmcSlot, action: PowerAction) -> Callable[[], object]:
    """Carry an action out and return how to store its end. Raises LeaseLost."""
    lease, asked = slot.lease, [db_now()]
    try:
        slot.take()
        if action.command in MONITORING:
            return partial(end_monitoring, lease, action, monitor(slot, action))
        return partial(_settle, lease, action, _carry_out(slot, action, asked))
    except PowerError as error:
        return partial(_fail, lease, action, error, at=asked[-1])


@dataclass(frozen=True, slots=True)
class _DatedBmc(PooledBmc):
    """A BMC that notes when it is asked: its answers are of that time or later."""

    asked: list[datetime] = field(default_factory=list)

    def read_power(self) -> PowerState:
        self.asked.append(db_now())
        return PooledBmc.read_power(self)


def _carry_out(slot: BmcSlot, action: PowerAction, asked: list[datetime]) -> OperationResult:
    lease = slot.lease
    bmc = action.backend.bmc
    require_login_allowed(wrong_logins(bmc), db_now())
    login = login_of(bmc, action.user, action.password)
    rest = remaining_command(PowerCommand(action.command), [PowerCommand(sent) for sent in action.sent])
    if rest is None or (action.sent_at and not action.sent):  # the record of what was sent is lost
        return OperationResult(confirmed=False, state=PowerState.UNKNOWN)
    operation = PowerOperation(
        bmc=_DatedBmc(pool(), login, timeout=settings.MOREH_POWER_DEADLINE.total_seconds(), asked=asked),
        on_sent=lambda command: store(lease, partial(record_sent, lease, PowerVerb(command))),
        on_reading=lambda reading: _on_reading(slot, action.backend_id, reading, asked[-1]),
        now=time.monotonic,
        sleep=lambda seconds: _sleep(slot, seconds),
    )
    _wait_for_gap(slot, bmc)
    return operation.carry_out(rest)


def _on_reading(slot: BmcSlot, backend_id: int, reading: PowerState | PowerError, at: datetime) -> None:
    """Prolong the lease and store the reading, which takes a node that is off out of service, also in a cycle."""
    store(slot.lease, slot.prolong)
    if isinstance(reading, PowerState) and reading is not PowerState.UNKNOWN:
        store(slot.lease, partial(store_power_readings, {backend_id: PowerReading(PowerStatus(reading))}, at=at))


@transaction.atomic
def _settle(lease: PowerLease, action: PowerAction, result: OperationResult) -> None:
    if action.command == PowerVerb.RECONNECT:
        reset_weakness(action.backend.bmc)
    if result.confirmed:
        end_action(lease, ActionState.SUCCEEDED)
        return
    message = "It was sent, but the BMC did not answer; whether it was carried out is not known."
    end_action(lease, ActionState.UNKNOWN, code="UNKNOWN", message=message)


@transaction.atomic
def _fail(lease: PowerLease, action: PowerAction, error: PowerError, *, at: datetime) -> None:
    """End an action after an error: as FAILED if it certainly was not carried out, else as UNKNOWN."""
    if isinstance(error, WrongLogin):
        record_wrong_login(action.backend_id)
    if action.command in MONITORING:
        record_monitor_error(action.backend_id, error.code, at=at)
    else:
        store_power_readings({action.backend_id: PowerReading(PowerStatus.UNKNOWN, error.code)}, at=at)
    sent = PowerAction.objects.get(pk=action.pk).state == ActionState.SENT
    uncertain = sent and not (error.fatal or error.refused)
    state = ActionState.UNKNOWN if uncertain else ActionState.FAILED
    end_action(lease, state, code=error.code, message=str(error))


def _wait_for_gap(slot: BmcSlot, bmc: Bmc) -> None:
    """Wait until COMMAND_GAP has passed since the last command of an earlier action."""
    if bmc.commanded_at:
        _sleep(slot, COMMAND_GAP - (to_ms(db_now()) - to_ms(bmc.commanded_at)) / 1000)


def _sleep(slot: BmcSlot, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        store(slot.lease, slot.prolong)
        time.sleep(min(left, LONGEST_SLEEP))
