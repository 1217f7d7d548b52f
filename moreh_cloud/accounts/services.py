from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from moreh_cloud.accounts.choices import Role
from moreh_cloud.accounts.errors import LastMaster
from moreh_cloud.accounts.models import Operator
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.errors import Duplicate, InvalidParameter, NotFound


@transaction.atomic
def create_operator(
    *, username: str, email: str, password: str, role: Role, actor: Actor, email_verified: bool = True
) -> Operator:
    """Make an operator who may come in at once when the caller vouches for the e-mail address.

    Raises Duplicate, InvalidParameter.
    """
    operator = Operator(username=username, email=email, role=role, is_staff=True)
    operator.email_verified_at = db_now() if email_verified else None
    _set_password(operator, password)
    _save(operator)
    record("CREATE_OPERATOR", actor=actor, subject=f"operator/{operator.pk}", username=username, email=email, role=role)
    return operator


@transaction.atomic
def update_operator(operator: Operator, *, actor: Actor, **fields: Any) -> Operator:
    """Change username, email, role, is_active, email_verified or password.

    Another e-mail address is not verified unless the caller says so. Raises Duplicate, InvalidParameter, LastMaster,
    NotFound.
    """
    locked = _lock_all(operator)
    was_master = locked.role == Role.MASTER
    told = {name: value for name, value in fields.items() if name != "password"}
    if "password" in fields:
        _set_password(locked, fields.pop("password"))
        told["password"] = "changed"  # noqa: S105 - that it was changed, not to what
    _verify(locked, fields)
    for name, value in fields.items():
        setattr(locked, name, value)
    _save(locked)
    if was_master:
        _require_master()
    record("UPDATE_OPERATOR", actor=actor, subject=f"operator/{operator.pk}", **told)
    return locked


@transaction.atomic
def delete_operator(operator: Operator, *, actor: Actor) -> None:
    """Remove an operator; events keep the name. Raises LastMaster, NotFound."""
    locked = _lock_all(operator)
    was_master = locked.role == Role.MASTER
    locked.delete()
    if was_master:
        _require_master()
    record("DELETE_OPERATOR", actor=actor, subject=f"operator/{operator.pk}", username=operator.username)


def _lock_all(operator: Operator) -> Operator:
    """Lock every Master and this operator, so that two changes at once cannot remove the last Master."""
    list(Operator.objects.select_for_update().filter(role=Role.MASTER).order_by("pk").values_list("pk"))
    locked = Operator.objects.select_for_update().filter(pk=operator.pk).first()
    if locked is None:
        raise NotFound(id=operator.pk)
    return locked


def _require_master() -> None:
    entering = Operator.objects.filter(is_active=True, is_staff=True, email_verified_at__isnull=False)
    if not entering.filter(role=Role.MASTER).exists():
        raise LastMaster


def _verify(operator: Operator, fields: dict[str, Any]) -> None:
    verified = fields.pop("email_verified", None)
    if verified is None and fields.get("email", operator.email) == operator.email:
        return
    if not verified:
        operator.email_verified_at = None
    elif operator.email_verified_at is None or fields.get("email", operator.email) != operator.email:
        operator.email_verified_at = db_now()


def _set_password(operator: Operator, password: str) -> None:
    try:
        validate_password(password, operator)
    except ValidationError as error:
        raise InvalidParameter(_("A value is not valid."), password=error.messages) from error
    operator.set_password(password)


def _save(operator: Operator) -> None:
    try:
        operator.clean_fields(exclude=["password"])
    except ValidationError as error:
        raise InvalidParameter(_("A value is not valid."), **error.message_dict) from error
    if not operator.email:
        raise InvalidParameter(_("An e-mail address is needed."), parameter="email")
    try:
        with transaction.atomic():
            operator.save()
    except IntegrityError as error:
        raise Duplicate(username=operator.username) from error
