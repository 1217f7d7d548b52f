"""The second factor of operators: an app's codes, and recovery codes. Whatever changes it ends what was open."""

from django.db import transaction
from django.db.models import F

from accounts.errors import FactorDemanded, FactorOff, FactorOn, OwnFactor, WrongCode
from accounts.login.codes import new_factor_secret, new_recovery_codes, plain, step_of
from accounts.models import Operator, RecoveryCode, SecondFactor
from accounts.services.access import end_all_access
from core.clock import db_now
from core.crypto import digest
from core.errors import NotFound
from events.actor import Actor
from events.services import record


@transaction.atomic
def begin_two_factor(operator: Operator) -> SecondFactor:
    """Create a secret for an operator's app; it is not required before its first code. Raises FactorOn, NotFound."""
    locked = _lock(operator)
    if locked.two_factor_at is not None:
        raise FactorOn
    SecondFactor.objects.filter(operator=locked).delete()
    return SecondFactor.objects.create(operator=locked, secret=new_factor_secret())


@transaction.atomic
def forget_begun(operator: Operator) -> None:
    """Delete a secret that was begun and not confirmed."""
    if _lock(operator).two_factor_at is None:
        SecondFactor.objects.filter(operator=operator).delete()


@transaction.atomic
def enable_two_factor(operator: Operator, code: str, *, actor: Actor) -> list[str]:
    """Switch the second factor on with the app's first code; return recovery codes, this one time.

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
    """Create new recovery codes and end the old ones; return them, this one time. Raises FactorOff, WrongCode."""
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
    """Take a recovery code, which works this one time, or a code of the app.

    Raises WrongCode, and SecretUnreadable for a code of the app while no key decrypts the app's secret.
    """
    factor = SecondFactor.objects.filter(operator=operator).first()
    if factor is None or not (_use_recovery_code(factor, plain(code), actor) or _use_app_code(factor, plain(code))):
        raise WrongCode


def _require_code(operator: Operator, code: str, *, actor: Actor) -> Operator:
    locked = _lock(operator)
    if locked.two_factor_at is None:
        raise FactorOff
    use_code(locked, code, actor=actor)
    return locked


def _use_app_code(factor: SecondFactor, code: str) -> bool:
    """Take a code, if nobody has used it or a later one: the row count says who was first."""
    step = step_of(str(factor.secret), code, db_now())
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
