"""The pages that links in mails lead to, and the one that asks for such a mail."""

from math import ceil
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.choices import Letter
from accounts.errors import LinkEnded
from accounts.login.links import read_link
from accounts.login.lockout import count_here, seconds_to_wait, site_of
from accounts.models import Operator
from accounts.pages.base import INPUT, BasePage
from accounts.services.operators import ask_reset, follow_link
from core.errors import DomainError
from core.throttle import Bucket

ASKED_A_MINUTE = 5  # mails for new passwords, from one address
bucket = Bucket("reset")


class AskForm(forms.Form):
    """Form of the address for a mail with a link."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        widget=forms.EmailInput({**INPUT, "autocomplete": "email", "autofocus": ""}),
    )


class NewPasswordForm(forms.Form):
    """A new password, typed twice; without fields where only an address is verified."""

    password = forms.CharField(
        label=gettext_lazy("New password"),
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput({**INPUT, "autocomplete": "new-password", "autofocus": ""}),
        help_text=gettext_lazy("At least 10 characters."),
    )
    again = forms.CharField(
        label=gettext_lazy("New password, again"),
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput({**INPUT, "autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "password" in data and data.get("again") != data["password"]:
            self.add_error("again", _("The two passwords are not the same."))
        return data


class AskReset(BasePage):
    """The page that requests a mail with a link; the response does not depend on whether the address is known."""

    form_class = AskForm
    title = gettext_lazy("Choose a new password")
    says = gettext_lazy("We send you a mail with a link.")
    button = gettext_lazy("Send the mail")

    def form_valid(self, form: Any) -> HttpResponse:
        """Order the mail, unless too many were asked for from here."""
        if wait := bucket.take(site_of(self.request), rate=ASKED_A_MINUTE / 60, burst=ASKED_A_MINUTE):
            form.add_error(None, _("Too many requests; try again later."))
            later = {"Retry-After": str(ceil(wait))}
            return self.render_to_response(self.get_context_data(form=form), status=429, headers=later)
        ask_reset(form.cleaned_data["email"])
        messages.success(self.request, _("If an administrator has this address, the mail is on its way."))
        return super().form_valid(form)


class FollowLink(BasePage):
    """The page of a link in a mail. Only the button changes anything: mail programs open links too."""

    letter: ClassVar[Letter]
    done: Any = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.operator = read_link(self.letter, request.GET.get("key", ""))
        if self.operator is None:
            return self._ended() if count_here(request) else self._too_many()
        return super().dispatch(request, *args, **kwargs)

    def get_form_class(self) -> type[forms.Form]:
        return NewPasswordForm if self._chooses(self.operator) else forms.Form

    def form_valid(self, form: Any) -> HttpResponse:
        """Do what the link is for."""
        password, address = form.cleaned_data.get("password", ""), self.request.META.get("REMOTE_ADDR", "")
        try:
            follow_link(self.letter, self.request.GET["key"], password, address=address)
        except LinkEnded:
            return self._ended()
        except DomainError as refusal:
            for problem in refusal.details.get("password") or [str(refusal)]:  # type: ignore[attr-defined]
                form.add_error("password" if "password" in form.fields else None, problem)
            return self.form_invalid(form)
        messages.success(self.request, self.done)
        return super().form_valid(form)

    def _chooses(self, operator: Operator | None) -> bool:
        return self.letter == Letter.RESET or operator is None or not operator.has_usable_password()

    def _too_many(self) -> HttpResponse:
        later = {"Retry-After": str(seconds_to_wait())}
        return HttpResponse(_("Too many requests; try again later."), status=429, headers=later)

    def _ended(self) -> HttpResponse:
        messages.error(self.request, _("This link has ended or was used before."))
        return HttpResponseRedirect(str(self.success_url))


class ChoosePassword(FollowLink):
    """The page that sets a new password."""

    letter = Letter.RESET
    title = gettext_lazy("Choose a new password")
    button = gettext_lazy("Use this password")
    done = gettext_lazy("The new password is in use. Log in with it.")


class VerifyEmail(FollowLink):
    """The page that verifies an address."""

    letter = Letter.VERIFY
    title = gettext_lazy("Verify your e-mail address")
    button = gettext_lazy("This is my address")
    done = gettext_lazy("The address is verified. Log in now.")
