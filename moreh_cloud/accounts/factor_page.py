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

from moreh_cloud.accounts.codes import ISSUER, link_for_app, squares
from moreh_cloud.accounts.errors import LockedOut, WrongCode, WrongPassword
from moreh_cloud.accounts.frame import LOOK
from moreh_cloud.accounts.lockout import give_back, is_locked_out
from moreh_cloud.accounts.models import Operator, RecoveryCode, SecondFactor
from moreh_cloud.accounts.second_step import CodeForm, counted
from moreh_cloud.accounts.two_factor import (
    begin_two_factor,
    disable_two_factor,
    enable_two_factor,
    forget_begun,
    renew_recovery_codes,
)
from moreh_cloud.events.actor import Actor
from moreh_cloud.lib.errors import DomainError


class ProofForm(CodeForm):
    """Password and code of who changes their own second factor: a browser left alone is not enough."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput({**LOOK, "autocomplete": "current-password"}),
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
class Asked:
    """What an operator asks for, and what to show for it."""

    request: HttpRequest
    operator: Operator
    form: ProofForm
    actor: Actor
    codes: list[str] = field(default_factory=list)

    def proven(self, verb: Callable[..., Any]) -> Any:
        """Carry a verb out that needs password and code. Raises DomainError."""
        _require_password(self.request, self.operator, self.form.cleaned_data.get("password"))
        with counted(self.request, self.operator):
            return verb(self.operator, self.form.cleaned_data["code"], actor=self.actor)


@never_cache
def two_factor(request: HttpRequest) -> HttpResponse:
    """Show the second factor of who is logged in, and change it."""
    operator: Any = request.user
    begun = SecondFactor.objects.filter(operator=operator).first()
    verb = VERBS.get(request.POST.get("verb", ""))
    form = ProofForm(operator, operator.two_factor_at is None, *([request.POST] if verb in PROVEN else []))
    actor = Actor(operator.get_username(), "admin", request.META.get("REMOTE_ADDR", ""))
    asked = Asked(request, operator, form, actor)
    if verb is None or (verb in PROVEN and not form.is_valid()):
        return _show(asked, begun)
    try:
        verb(asked)
    except (WrongCode, WrongPassword, LockedOut) as refusal:
        form.add_error("password" if isinstance(refusal, WrongPassword) else "code", str(refusal))
        return _show(asked, begun, status=429 if isinstance(refusal, LockedOut) else 200)
    except DomainError as refusal:
        messages.error(request, str(refusal))
    return _show_codes(asked) if asked.codes else HttpResponseRedirect(reverse("two_factor"))


def _begin(asked: Asked) -> None:
    begin_two_factor(asked.operator)


def _forget(asked: Asked) -> None:
    forget_begun(asked.operator)


def _enable(asked: Asked) -> None:
    asked.codes = asked.proven(enable_two_factor)
    _stay(asked)


def _renew(asked: Asked) -> None:
    asked.codes = asked.proven(renew_recovery_codes)


def _disable(asked: Asked) -> None:
    asked.proven(disable_two_factor)
    _stay(asked)
    messages.success(asked.request, _("Two-factor log-in is off."))


PROVEN: tuple[Callable[[Asked], None], ...] = (_enable, _renew, _disable)
VERBS = {"begin": _begin, "forget": _forget, "enable": _enable, "renew": _renew, "disable": _disable}


def _stay(asked: Asked) -> None:
    """Keep this session, of all that the change has ended."""
    asked.operator.refresh_from_db()
    update_session_auth_hash(asked.request, asked.operator)


def _require_password(request: HttpRequest, operator: Operator, password: str | None) -> None:
    """Count an attempt at the password of who is logged in, and look at it. Raises WrongPassword, LockedOut."""
    if password is None:
        return
    known = authenticate(request, username=operator.get_username(), password=password)
    if is_locked_out(request):
        raise LockedOut
    if known is None:
        raise WrongPassword
    give_back(request, operator)


def _show(asked: Asked, factor: SecondFactor | None, status: int = 200) -> HttpResponse:
    operator, shown = asked.operator, {"form": asked.form, "operator": asked.operator}
    if operator.two_factor_at is not None:
        left = RecoveryCode.objects.filter(factor=factor).count()
        return _page(asked, "on", status, left=left, **shown)
    if factor is None:
        return _page(asked, "off", status, **shown)
    size, path = squares(link_for_app(factor.secret, operator.get_username()))
    secret = " ".join(factor.secret[at : at + 4] for at in range(0, len(factor.secret), 4))
    return _page(asked, "begun", status, secret=secret, size=size, path=path, **shown)


def _show_codes(asked: Asked) -> HttpResponse:
    name = asked.operator.get_username()
    text = "\n".join([f"{ISSUER}: {name}", *asked.codes, ""])
    return _page(asked, "codes", 200, codes=asked.codes, file=f"data:text/plain;charset=utf-8,{quote(text)}")


def _page(asked: Asked, part: str, status: int, **shown: Any) -> HttpResponse:
    context = {**admin.site.each_context(asked.request), "title": _("Two-factor log-in"), "part": part, **shown}
    return TemplateResponse(asked.request, f"accounts/two_factor/{part}.html", context, status=status)
