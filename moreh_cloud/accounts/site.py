from typing import Any

from django.conf import settings
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django.views.decorators.gzip import gzip_page
from unfold.forms import AdminOwnPasswordChangeForm
from unfold.sites import UnfoldAdminSite

from moreh_cloud.accounts.login import LoginForm
from moreh_cloud.accounts.services import update_operator
from moreh_cloud.events.actor import Actor

LONGEST_SEARCH = 200


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Change one's own password through the service, which writes the event."""

    address = ""

    def save(self, commit: bool = True) -> Any:  # noqa: ARG002 - Django's signature
        name = self.user.get_username()
        actor = Actor(name, "admin", self.address)
        self.user = update_operator(self.user, password=self.cleaned_data["new_password1"], actor=actor)
        return self.user


class OperatorSite(UnfoldAdminSite):
    """The admin, whose every write goes through a service."""

    index_title = _("Home")
    login_form = LoginForm
    login_template = "accounts/login.html"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        provider = reverse("oidc_authentication_init") if settings.MOREH_OIDC_ISSUER else ""
        return {**super().each_context(request), "oidc_login": provider}

    @method_decorator(gzip_page)
    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().index(request, extra_context)

    def search(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:  # noqa: ARG002 - unfold's
        """Answer the search field. Unfold's own keeps answers, and their language, for five minutes."""
        text = request.GET.get("s", "")[:LONGEST_SEARCH].strip()
        find = import_string(self._get_config("COMMAND", request)["search_callback"])
        found = find(request, text) if text else []
        return TemplateResponse(request, "unfold/helpers/command_results.html", {"results": found, "text": text})

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        request.current_app = self.name
        form = type("OwnPasswordForm", (OwnPasswordForm,), {"address": request.META.get("REMOTE_ADDR", "")})
        view = PasswordChangeView.as_view(
            form_class=form,
            success_url=reverse(f"{self.name}:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
            template_name=self.password_change_template or "registration/password_change_form.html",
        )
        return view(request)
