from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.choices import RANK, Letter, Role
from accounts.errors import AlreadyVerified, LastMaster, LinkEnded
from accounts.login.links import read_link
from accounts.login.lockout import forget_attempts
from accounts.models import Operator
from accounts.services.access import end_all_access
from accounts.services.mails import order_mail
from core.clock import db_now
from core.errors import InvalidParameter, NotFound
from core.texts import require_row, require_texts
from core.unique import unique
from events.actor import Actor
from events.services import record

LONGEST_PASSWORD = 1024  # characters; REST takes no longer one


@transaction.atomic
def create_operator(
    *,
    username: str,
    email: str,
    password: str,
    role: Role,
    actor: Actor,
    email_verified: bool = True,
    language: str = "",
) -> Operator:
    """Create an operator, who may enter at once when the caller vouches for the e-mail address.

    Otherwise a mail with a link invites them; they choose a password there if none is given here. Raises Duplicate,
    InvalidParameter.
    """
    operator = Operator(username=username, email=email, role=role, is_staff=True)
    operator.language = language or operator.language
    operator.email_verified_at = db_now() if email_verified else None
    if password or email_verified:
        _set_password(operator, password)
    else:
        operator.set_unusable_password()
    _save(operator)
    if not email_verified:
        order_mail(operator, Letter.VERIFY)
    told: dict[str, Any] = {"username": operator.username, "email": operator.email, "role": role}
    record("CREATE_OPERATOR", actor=actor, subject=f"operator/{operator.pk}", **told)
    return operator


@transaction.atomic
def update_operator(operator: Operator, *, actor: Actor, **fields: Any) -> Operator:
    """Change username, email, role, is_active, email_verified, language or password.

    Another e-mail address is not verified unless the caller says so: a mail with a link goes to it. Whoever loses
    rights, or gets another password, loses all access tokens. Raises Duplicate, InvalidParameter, LastMaster, NotFound.
    """
    locked = _lock_all(operator)
    for name in {"username", "email"} & fields.keys():
        fields[name] = fields[name].strip()
    before = (Role(locked.role), locked.email, locked.may_enter)
    request = {name: value for name, value in fields.items() if name != "password"}
    ends = "password" in fields
    if "password" in fields:
        _set_password(locked, fields.pop("password"))
        request["password"] = "changed"  # noqa: S105 - that it was changed, not to what
    _verify(locked, fields)
    for name, value in fields.items():
        setattr(locked, name, value)
    _save(locked)
    record("UPDATE_OPERATOR", actor=actor, subject=f"operator/{operator.pk}", **request)
    _follow_up(locked, *before, ends=ends, actor=actor)
    return locked


def _follow_up(operator: Operator, role: Role, email: str, entered: bool, *, ends: bool, actor: Actor) -> None:
    """Keep a Master, end what is no longer allowed, and have a new address verified."""
    if role == Role.MASTER:
        _require_master()
    if ends or RANK[Role(operator.role)] < RANK[role] or (entered and not operator.may_enter):
        end_all_access(operator, actor=actor)
    if operator.email != email and operator.email_verified_at is None and operator.is_active:
        order_mail(operator, Letter.VERIFY)


@transaction.atomic
def invite_again(operator: Operator, *, actor: Actor) -> None:
    """Send the mail that verifies the address again. Raises AlreadyVerified, NotFound."""
    locked = _lock_all(operator)
    if locked.email_verified_at is not None:
        raise AlreadyVerified
    order_mail(locked, Letter.VERIFY)
    record("INVITE_OPERATOR", actor=actor, subject=f"operator/{operator.pk}", email=locked.email)


@transaction.atomic
def ask_reset(email: str) -> None:
    """Send a mail with a link to choose a new password to whoever may enter with this address, if anybody does."""
    for operator in Operator.objects.filter(email__iexact=email, is_active=True, is_staff=True).order_by("pk"):
        if operator.may_enter:
            order_mail(operator, Letter.RESET)


@transaction.atomic
def follow_link(letter: Letter, key: str, password: str, *, address: str) -> Operator:
    """Do what the link in a mail is for: verify the address, or choose a password; it works once.

    A first password is chosen with the link that verifies. Raises LinkEnded, InvalidParameter.
    """
    found = read_link(letter, key)
    operator = read_link(letter, key, _lock_all(found)) if found else None
    if operator is None:
        raise LinkEnded
    fields: dict[str, Any] = {}
    if letter == Letter.RESET or not operator.has_usable_password():
        fields["password"] = password
        forget_attempts(operator)
    if letter == Letter.VERIFY:
        fields["email_verified"] = True
    return update_operator(operator, actor=Actor(operator.username, "mail", address), **fields)


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
    require_texts(LONGEST_PASSWORD, password=password)
    try:
        validate_password(password, operator)
    except ValidationError as error:
        raise InvalidParameter(_("A value is not valid."), password=error.messages) from error
    operator.set_password(password)


def _save(operator: Operator) -> None:
    require_row(operator, only=("username", "email", "first_name", "last_name"))
    try:
        operator.clean_fields(exclude=["password"])
    except ValidationError as error:
        raise InvalidParameter(_("A value is not valid."), **error.message_dict) from error
    if not operator.email:
        raise InvalidParameter(_("An e-mail address is needed."), parameter="email")
    with unique(username=operator.username):
        operator.save()
