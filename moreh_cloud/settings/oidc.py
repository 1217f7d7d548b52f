"""Log-in through an OpenID Connect provider; off unless MOREH_OIDC_ISSUER names one."""

from django.core.exceptions import ImproperlyConfigured

from . import env
from .security import AUTHENTICATION_BACKENDS as OWN_BACKENDS

MOREH_OIDC_ISSUER = env.text("MOREH_OIDC_ISSUER")
_client, _secret = env.text("MOREH_OIDC_CLIENT_ID"), env.text("MOREH_OIDC_CLIENT_SECRET")
_authorization, _token = env.text("MOREH_OIDC_AUTHORIZATION_URL"), env.text("MOREH_OIDC_TOKEN_URL")
_userinfo, _keys = env.text("MOREH_OIDC_USERINFO_URL"), env.text("MOREH_OIDC_KEYS_URL")
_needed = {
    "MOREH_OIDC_CLIENT_ID": _client,
    "MOREH_OIDC_CLIENT_SECRET": _secret,
    "MOREH_OIDC_AUTHORIZATION_URL": _authorization,
    "MOREH_OIDC_TOKEN_URL": _token,
    "MOREH_OIDC_USERINFO_URL": _userinfo,
    "MOREH_OIDC_KEYS_URL": _keys,
}
if MOREH_OIDC_ISSUER and not all(_needed.values()):
    _absent = ", ".join(name for name, value in _needed.items() if not value)
    raise ImproperlyConfigured(f"MOREH_OIDC_ISSUER is set, so these must be too: {_absent}.")

OIDC_RP_CLIENT_ID = _client
OIDC_RP_CLIENT_SECRET = _secret
OIDC_RP_SIGN_ALGO = "RS256"
OIDC_OP_AUTHORIZATION_ENDPOINT = _authorization
OIDC_OP_TOKEN_ENDPOINT = _token
OIDC_OP_USER_ENDPOINT = _userinfo
OIDC_OP_JWKS_ENDPOINT = _keys
OIDC_CREATE_USER = False
OIDC_USE_PKCE = True
OIDC_TIMEOUT = 5  # seconds
OIDC_BACKEND = "moreh_cloud.accounts.oidc.OidcBackend"
AUTHENTICATION_BACKENDS = [*OWN_BACKENDS, OIDC_BACKEND] if MOREH_OIDC_ISSUER else OWN_BACKENDS
