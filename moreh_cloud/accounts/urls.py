from django.contrib import admin
from django.urls import path

from moreh_cloud.accounts.factor_page import two_factor
from moreh_cloud.accounts.oidc import FromProvider, ToProvider
from moreh_cloud.accounts.pages import AskReset, ChoosePassword, VerifyEmail
from moreh_cloud.accounts.second_step import EnterCode

urlpatterns = [
    path("reset/", AskReset.as_view(), name="admin_password_reset"),  # unfold's login page links to this name
    path("password/", ChoosePassword.as_view(), name="choose_password"),
    path("oidc/login/", ToProvider.as_view(), name="oidc_authentication_init"),
    path("oidc/callback/", FromProvider.as_view(), name="oidc_authentication_callback"),
    path("code/", EnterCode.as_view(), name="enter_code"),
    path("two-factor/", admin.site.admin_view(two_factor), name="two_factor"),
    path("verify/", VerifyEmail.as_view(), name="verify_email"),
]
