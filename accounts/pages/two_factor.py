"""The page where operators look after their own second factor."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import authenticate, update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from accounts.errors import LockedOut, WrongCode, WrongPassword
from accounts.login.codes import ISSUER, link_for_app, squares
from accounts.login.lockout import is_locked_out, return_attempt
from accounts.login.two_factor import counted
from accounts.models import Operator, RecoveryCode, SecondFactor
from accounts.pages.base import INPUT
from accounts.pages.enter_code import CodeForm
from accounts.services.two_factor import (
    begin_two_factor,
    disable_two_factor,
    enable_two_factor,
    forget_begun,
    renew_recovery_codes,
)
from core.crypto import unreadable_secrets
from core.errors import DomainError
from events.actor import Actor


class PasswordAndCodeForm(CodeForm):
    """Password and code of the operator: an unattended browser is not enough to change the second factor."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput({**INPUT, "autocomplete": "current-password"}),
    )
    field_order = ("password", "code")

    def __init__(self, operator: Operator, begun: bool, *args: Any) -> None:
        super().__init__(*args)
        self.fields["code"].widget.attrs.pop("autofocus")
        if begun:
            self.fields["code"].help_text = gettext_lazy("The six digits that your app shows now.")
        if not operator.has_usable_password():  # comes in through a provider
            del self.fields["password"]


@dataclass
class FactorChange:
    """A request to change one's second factor, and what to show for it."""

    request: HttpRequest
    operator: Operator
    form: PasswordAndCodeForm
    actor: Actor
    codes: list[str] = field(default_factory=list)

    def proven(self, verb: Callable[..., Any]) -> Any:
        """Call a verb with password and code of the form. Raises DomainError."""
        _require_password(self.request, self.operator, self.form.cleaned_data.get("password"))
        with counted(self.request, self.operator):
            return verb(self.operator, self.form.cleaned_data["code"], actor=self.actor)


@never_cache
def two_factor(request: HttpRequest) -> HttpResponse:
    """Show and change the second factor of the operator who is logged in."""
    operator: Any = request.user
    begun = SecondFactor.objects.filter(operator=operator).first()
    verb = VERBS.get(request.POST.get("verb", ""))
    form = PasswordAndCodeForm(operator, operator.two_factor_at is None, *([request.POST] if verb in PROVEN else []))
    actor = Actor(operator.get_username(), "admin", request.META.get("REMOTE_ADDR", ""))
    change = FactorChange(request, operator, form, actor)
    if verb is None or (verb in PROVEN and not form.is_valid()):
        return _show(change, begun)
    try:
        verb(change)
    except (WrongCode, WrongPassword, LockedOut) as refusal:
        form.add_error("password" if isinstance(refusal, WrongPassword) else "code", str(refusal))
        return _show(change, begun, status=429 if isinstance(refusal, LockedOut) else 200)
    except DomainError as refusal:
        messages.error(request, str(refusal))
    return _show_codes(change) if change.codes else HttpResponseRedirect(reverse("two_factor"))


def _begin(change: FactorChange) -> None:
    begin_two_factor(change.operator)


def _forget(change: FactorChange) -> None:
    forget_begun(change.operator)


def _enable(change: FactorChange) -> None:
    change.codes = change.proven(enable_two_factor)
    _stay(change)


def _renew(change: FactorChange) -> None:
    change.codes = change.proven(renew_recovery_codes)


def _disable(change: FactorChange) -> None:
    change.proven(disable_two_factor)
    _stay(change)
    messages.success(change.request, _("Two-factor log-in is off."))


PROVEN: tuple[Callable[[FactorChange], None], ...] = (_enable, _renew, _disable)
VERBS = {"begin": _begin, "forget": _forget, "enable": _enable, "renew": _renew, "disable": _disable}


def _stay(change: FactorChange) -> None:
    """Keep this session when the change ends all others."""
    change.operator.refresh_from_db()
    update_session_auth_hash(change.request, change.operator)


def _require_password(request: HttpRequest, operator: Operator, password: str | None) -> None:
    """Count an attempt at the password of who is logged in, and look at it. Raises WrongPassword, LockedOut."""
    if password is None:
        return
    known = authenticate(request, username=operator.get_username(), password=password)
    if is_locked_out(request):
        raise LockedOut
    if known is None:
        raise WrongPassword
    return_attempt(request, operator)


def _show(change: FactorChange, factor: SecondFactor | None, status: int = 200) -> HttpResponse:
    operator, context = change.operator, {"form": change.form, "operator": change.operator}
    if operator.two_factor_at is not None:
        left = RecoveryCode.objects.filter(factor=factor).count()
        return _page(change, "on", status, left=left, **context)
    if factor is None or unreadable_secrets(factor):  # the next one that is begun replaces it
        return _page(change, "off", status, **context)
    size, path = squares(link_for_app(factor.secret, operator.get_username()))
    secret = " ".join(factor.secret[at : at + 4] for at in range(0, len(factor.secret), 4))
    return _page(change, "begun", status, secret=secret, size=size, path=path, **context)


def _show_codes(change: FactorChange) -> HttpResponse:
    name = change.operator.get_username()
    text = "\n".join([f"{ISSUER}: {name}", *change.codes, ""])
    return _page(change, "codes", 200, codes=change.codes, file=f"data:text/plain;charset=utf-8,{quote(text)}")


def _page(change: FactorChange, part: str, status: int, **context: Any) -> HttpResponse:
    context = {**admin.site.each_context(change.request), "title": _("Two-factor log-in"), "part": part, **context}
    return TemplateResponse(change.request, f"accounts/two_factor/{part}.html", context, status=status)
