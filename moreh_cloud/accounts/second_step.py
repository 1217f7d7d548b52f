"""The second step of a log-in: a right password is held in the session until the code comes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from moreh_cloud.accounts.errors import LockedOut, WrongCode
from moreh_cloud.accounts.frame import LOOK, Page
from moreh_cloud.accounts.lockout import count_code, give_back, is_locked_out, seconds_to_wait, tell_when_used_up
from moreh_cloud.accounts.models import Operator
from moreh_cloud.accounts.two_factor import use_code
from moreh_cloud.events.actor import Actor
from moreh_cloud.lib.clock import db_now

HELD = "second_step"
PATIENCE = timedelta(minutes=5)  # for finding one's telephone


class CodeForm(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=40,
        widget=forms.TextInput({**LOOK, "autocomplete": "one-time-code", "autofocus": "", "spellcheck": "false"}),
        help_text=gettext_lazy("The six digits that your app shows, or one of your recovery codes."),
    )


def hold(request: HttpRequest, operator: Operator, following: str) -> None:
    """Remember who gave the right password, and where they were going."""
    request.session.cycle_key()
    until = (db_now() + PATIENCE).timestamp()
    seal = operator.get_session_auth_hash()
    request.session[HELD] = {"operator": operator.pk, "seal": seal, "until": until, "next": following}


def held(request: HttpRequest) -> Operator | None:
    """Give who gave the right password a moment ago, and may still enter with it."""
    note = request.session.get(HELD)
    if not note or note["until"] < db_now().timestamp():
        return None
    found = Operator.objects.filter(pk=note["operator"]).first()
    if found is None or not found.may_enter or found.two_factor_at is None:
        return None
    return found if constant_time_compare(note["seal"], found.get_session_auth_hash()) else None


@contextmanager
def counted(request: HttpRequest, operator: Operator) -> Iterator[None]:
    """Count an attempt at a code before it is looked at; a right one is given back. Raises LockedOut."""
    if not count_code(request, operator):
        raise LockedOut
    try:
        yield
    except WrongCode:
        tell_when_used_up(request, operator.get_username())
        if is_locked_out(request):
            raise LockedOut from None
        raise
    give_back(request, operator, code=True)


def require_code(request: HttpRequest, operator: Operator, code: str, actor: Actor) -> None:
    """Take the code of who logs in, if they have a second factor. Raises WrongCode, LockedOut."""
    if operator.two_factor_at is None:
        return
    if not code:
        raise WrongCode(gettext_lazy("This account has a second factor: its code is needed."), parameter="code")
    with counted(request, operator):
        use_code(operator, code, actor=actor)


class EnterCode(Page):
    """Ask for the code of who gave the right password."""

    form_class = CodeForm
    title = gettext_lazy("Two-factor log-in")
    button = gettext_lazy("Log in")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.operator = held(request)
        if self.operator is None:
            messages.error(request, _("That took too long. Log in again."))
            return HttpResponseRedirect(str(self.success_url))
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Let in with the right code."""
        operator, request = self.operator, self.request
        assert operator is not None  # dispatch saw to it
        actor = Actor(operator.get_username(), "admin", request.META.get("REMOTE_ADDR", ""))
        try:
            require_code(request, operator, form.cleaned_data["code"], actor)
        except (WrongCode, LockedOut) as refusal:
            form.add_error("code", str(refusal))
            return self._refused(form, locked=isinstance(refusal, LockedOut))
        following = request.session.pop(HELD)["next"]
        login(request, operator, "moreh_cloud.accounts.login.OperatorBackend")
        return HttpResponseRedirect(following)

    def _refused(self, form: Any, *, locked: bool) -> HttpResponse:
        answer = self.form_invalid(form)
        if locked:
            answer.status_code = 429
            answer["Retry-After"] = str(seconds_to_wait())
        return answer
