"""Log-in through an OpenID Connect provider; off unless MOREH_OIDC_ISSUER names one."""

from django.core.exceptions import ImproperlyConfigured

from . import env
from .security import AUTHENTICATION_BACKENDS as OWN_BACKENDS

MOREH_OIDC_ISSUER = env.text("MOREH_OIDC_ISSUER")
MOREH_OIDC_CLIENT_ID = env.text("MOREH_OIDC_CLIENT_ID")
MOREH_OIDC_CLIENT_SECRET = env.text("MOREH_OIDC_CLIENT_SECRET")
MOREH_OIDC_AUTHORIZATION_URL = env.url("MOREH_OIDC_AUTHORIZATION_URL")
MOREH_OIDC_TOKEN_URL = env.url("MOREH_OIDC_TOKEN_URL")
MOREH_OIDC_USERINFO_URL = env.url("MOREH_OIDC_USERINFO_URL")
MOREH_OIDC_KEYS_URL = env.url("MOREH_OIDC_KEYS_URL")
_needed = {
    "MOREH_OIDC_CLIENT_ID": MOREH_OIDC_CLIENT_ID,
    "MOREH_OIDC_CLIENT_SECRET": MOREH_OIDC_CLIENT_SECRET,
    "MOREH_OIDC_AUTHORIZATION_URL": MOREH_OIDC_AUTHORIZATION_URL,
    "MOREH_OIDC_TOKEN_URL": MOREH_OIDC_TOKEN_URL,
    "MOREH_OIDC_USERINFO_URL": MOREH_OIDC_USERINFO_URL,
    "MOREH_OIDC_KEYS_URL": MOREH_OIDC_KEYS_URL,
}
if MOREH_OIDC_ISSUER and not all(_needed.values()):
    _absent = ", ".join(name for name, value in _needed.items() if not value)
    raise ImproperlyConfigured(f"MOREH_OIDC_ISSUER is set, so these must be too: {_absent}.")

OIDC_BACKEND = "accounts.login.oidc.OidcBackend"
AUTHENTICATION_BACKENDS = [*OWN_BACKENDS, OIDC_BACKEND] if MOREH_OIDC_ISSUER else OWN_BACKENDS
