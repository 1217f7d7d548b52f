from django.urls import path

from moreh_cloud.accounts.oidc import FromProvider, ToProvider
from moreh_cloud.accounts.pages import AskReset, ChoosePassword, VerifyEmail

urlpatterns = [
    path("reset/", AskReset.as_view(), name="admin_password_reset"),  # unfold's login page links to this name
    path("password/", ChoosePassword.as_view(), name="choose_password"),
    path("oidc/login/", ToProvider.as_view(), name="oidc_authentication_init"),
    path("oidc/callback/", FromProvider.as_view(), name="oidc_authentication_callback"),
    path("verify/", VerifyEmail.as_view(), name="verify_email"),
]
