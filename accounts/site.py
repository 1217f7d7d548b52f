from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import PasswordChangeView
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from structlog.contextvars import bind_contextvars
from unfold.forms import AdminOwnPasswordChangeForm
from unfold.sites import UnfoldAdminSite

from accounts.pages.login import LogIn, LoginForm
from accounts.services.operators import update_operator
from core.repeated_pages import repeated_page
from events.actor import Actor

LONGEST_SEARCH = 200


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Change one's own password through the service, which writes the event."""

    address = ""

    def save(self, commit: bool = True) -> Any:  # noqa: ARG002 - Django's signature
        name = self.user.get_username()
        actor = Actor(name, "admin", self.address)
        self.user = update_operator(self.user, password=self.cleaned_data["new_password1"], actor=actor)
        return self.user


class Choices(AutocompleteJsonView):
    """The rows that a field offers while one types."""

    def get_queryset(self) -> QuerySet[Any]:
        """Return them in the order of their noun, by id among equals, so that pages hold each row once."""
        found: QuerySet[Any] = super().get_queryset()
        # Where rows are counted beside, as members of groups are, Django leaves the order of the noun out.
        return found.order_by(*(found.query.order_by or found.model._meta.ordering), "pk")


class OperatorSite(UnfoldAdminSite):
    """The admin, whose every write goes through a service."""

    index_title = _("Home")

    def get_urls(self) -> list[Any]:
        """Leave out Django's way to a page outside of the admin: no row has one."""
        return [one for one in super().get_urls() if getattr(one, "name", "") != "view_on_site"]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Name the operator in log lines, and repeat what a form sends when the database rolled it back for another."""
        page = repeated_page(view)

        @wraps(view)
        def of_operator(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            bind_contextvars(operator=request.user.get_username())
            return page(request, *args, **kwargs)

        return super().admin_view(of_operator, cacheable)

    def autocomplete_view(self, request: HttpRequest) -> Any:
        """Offer rows to a field."""
        return Choices.as_view(admin_site=self)(request)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Return the nouns and their addresses, made when a page reads them: most show the menu alone."""
        return SimpleLazyObject(lambda: UnfoldAdminSite.get_app_list(self, request, app_label))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        provider = reverse("oidc_authentication_init") if settings.MOREH_OIDC_ISSUER else ""
        return {**super().each_context(request), "oidc_login": provider}

    @method_decorator(gzip_page)
    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().index(request, extra_context)

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ARG002 - Django's
        """Show our login page: Django's own does not ask for a second factor."""
        home = reverse("admin:index")
        if request.method == "GET" and self.has_permission(request):
            return HttpResponseRedirect(home)
        words = {"title": _("Log in"), "subtitle": None, "app_path": request.get_full_path()}
        if REDIRECT_FIELD_NAME not in {*request.GET, *request.POST}:
            words[REDIRECT_FIELD_NAME] = home
        context = {**self.each_context(request), "username": request.user.get_username(), **words}
        request.current_app = self.name
        page = LogIn.as_view(authentication_form=LoginForm, template_name="accounts/login.html", extra_context=context)
        answer: HttpResponse = page(request)  # type: ignore[assignment]
        return answer

    def search(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:  # noqa: ARG002 - unfold's
        """Return the search results. Unfold's own view caches them, in one language, for five minutes."""
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
