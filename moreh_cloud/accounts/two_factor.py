"""The second factor of operators: an app's codes, and recovery codes. Whatever changes it ends what was open."""

from django.db import transaction
from django.db.models import F

from moreh_cloud.accounts.access import end_all_access
from moreh_cloud.accounts.codes import new_factor_secret, new_recovery_codes, plain, step_of
from moreh_cloud.accounts.errors import FactorDemanded, FactorOff, FactorOn, OwnFactor, WrongCode
from moreh_cloud.accounts.models import Operator, RecoveryCode, SecondFactor
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.crypto import digest
from moreh_cloud.lib.errors import NotFound


@transaction.atomic
def begin_two_factor(operator: Operator) -> SecondFactor:
    """Make a secret for an operator's app; nothing is demanded before its first code. Raises FactorOn, NotFound."""
    locked = _lock(operator)
    if locked.two_factor_at is not None:
        raise FactorOn
    SecondFactor.objects.filter(operator=locked).delete()
    return SecondFactor.objects.create(operator=locked, secret=new_factor_secret())


@transaction.atomic
def forget_begun(operator: Operator) -> None:
    """Forget a secret that was begun and not confirmed."""
    if _lock(operator).two_factor_at is None:
        SecondFactor.objects.filter(operator=operator).delete()


@transaction.atomic
def enable_two_factor(operator: Operator, code: str, *, actor: Actor) -> list[str]:
    """Switch the second factor on with the app's first code; gives recovery codes, this one time.

    Sessions and access tokens that were opened without it end. Raises FactorOn, FactorOff, WrongCode, NotFound.
    """
    locked = _lock(operator)
    if locked.two_factor_at is not None:
        raise FactorOn
    factor = _factor_of(locked)
    if not _use_app_code(factor, plain(code)):
        raise WrongCode
    codes = _make_recovery_codes(factor)
    Operator.objects.filter(pk=locked.pk).update(two_factor_at=db_now(), factor_changes=F("factor_changes") + 1)
    record("ENABLE_TWO_FACTOR", actor=actor, subject=f"operator/{locked.pk}")
    end_all_access(locked, actor=actor)
    return codes


@transaction.atomic
def renew_recovery_codes(operator: Operator, code: str, *, actor: Actor) -> list[str]:
    """Make other recovery codes; gives them this one time, and ends the old ones. Raises FactorOff, WrongCode."""
    locked = _require_code(operator, code, actor=actor)
    codes = _make_recovery_codes(_factor_of(locked))
    record("RENEW_RECOVERY_CODES", actor=actor, subject=f"operator/{locked.pk}")
    return codes


@transaction.atomic
def disable_two_factor(operator: Operator, code: str, *, actor: Actor) -> None:
    """Switch one's own second factor off. Raises FactorOff, FactorDemanded, WrongCode, NotFound."""
    locked = _require_code(operator, code, actor=actor)
    if locked.factor_demanded:
        raise FactorDemanded
    _switch_off(locked)
    record("DISABLE_TWO_FACTOR", actor=actor, subject=f"operator/{locked.pk}")
    end_all_access(locked, actor=actor)


@transaction.atomic
def reset_two_factor(operator: Operator, *, actor: Actor) -> None:
    """Take away the second factor of somebody else, who has lost it. Raises FactorOff, OwnFactor, NotFound."""
    locked = _lock(operator)
    if locked.two_factor_at is None:
        raise FactorOff
    if locked.username == actor.name:
        raise OwnFactor
    _switch_off(locked)
    record("RESET_TWO_FACTOR", actor=actor, subject=f"operator/{locked.pk}")
    end_all_access(locked, actor=actor)


@transaction.atomic
def use_code(operator: Operator, code: str, *, actor: Actor) -> None:
    """Take a code of the app, or a recovery code, which works this one time. Raises WrongCode."""
    factor = SecondFactor.objects.filter(operator=operator).first()
    if factor is None or not (_use_app_code(factor, plain(code)) or _use_recovery_code(factor, plain(code), actor)):
        raise WrongCode


def _require_code(operator: Operator, code: str, *, actor: Actor) -> Operator:
    locked = _lock(operator)
    if locked.two_factor_at is None:
        raise FactorOff
    use_code(locked, code, actor=actor)
    return locked


def _use_app_code(factor: SecondFactor, code: str) -> bool:
    """Take a code, if nobody has used it or a later one: the row count says who was first."""
    step = step_of(factor.secret, code, db_now())
    unused = SecondFactor.objects.filter(pk=factor.pk, last_step__lt=step) if step is not None else None
    return unused is not None and bool(unused.update(last_step=step))


def _use_recovery_code(factor: SecondFactor, code: str, actor: Actor) -> bool:
    if not RecoveryCode.objects.filter(factor=factor, digest=digest(code)).delete()[0]:
        return False
    left = RecoveryCode.objects.filter(factor=factor).count()
    record("USE_RECOVERY_CODE", actor=actor, subject=f"operator/{factor.operator_id}", left=left)
    return True


def _make_recovery_codes(factor: SecondFactor) -> list[str]:
    codes = new_recovery_codes()
    RecoveryCode.objects.filter(factor=factor).delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(factor=factor, digest=digest(plain(code))) for code in codes)
    return codes


def _switch_off(locked: Operator) -> None:
    SecondFactor.objects.filter(operator=locked).delete()
    Operator.objects.filter(pk=locked.pk).update(two_factor_at=None, factor_changes=F("factor_changes") + 1)


def _factor_of(operator: Operator) -> SecondFactor:
    found = SecondFactor.objects.filter(operator=operator).first()
    if found is None:
        raise FactorOff
    return found


def _lock(operator: Operator) -> Operator:
    locked = Operator.objects.select_for_update().filter(pk=operator.pk).first()
    if locked is None:
        raise NotFound(id=operator.pk)
    return locked
