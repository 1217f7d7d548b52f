from django.contrib import admin
from django.urls import path

from accounts.login.oidc import from_provider, to_provider
from accounts.pages.enter_code import EnterCode
from accounts.pages.mail_links import AskReset, ChoosePassword, VerifyEmail
from accounts.pages.two_factor import two_factor

urlpatterns = [
    path("reset/", AskReset.as_view(), name="admin_password_reset"),  # unfold's login page links to this name
    path("password/", ChoosePassword.as_view(), name="choose_password"),
    path("oidc/login/", to_provider, name="oidc_authentication_init"),
    path("oidc/callback/", from_provider, name="oidc_authentication_callback"),
    path("code/", EnterCode.as_view(), name="enter_code"),
    path("two-factor/", admin.site.admin_view(two_factor), name="two_factor"),
    path("verify/", VerifyEmail.as_view(), name="verify_email"),
]
