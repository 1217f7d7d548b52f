"""What a program does, through the client generated from openapi.yaml: python use.py SERVER ID PASSWORD."""

import sys

from moreh_rest import AuthenticatedClient, Client  # type: ignore[import-not-found]
from moreh_rest.api.auth import auth_token_create  # type: ignore[import-not-found]
from moreh_rest.api.token import token_create, token_destroy, token_list  # type: ignore[import-not-found]
from moreh_rest.models import Failure, LoginRequest, NewTokenRequest, TokenSuccess  # type: ignore[import-not-found]

server, name, password = sys.argv[1:]
login = auth_token_create.sync(client=Client(base_url=server), body=LoginRequest(id=name, password=password))
api = AuthenticatedClient(base_url=server, token=login.result.access)

made = token_create.sync(client=api, body=NewTokenRequest(desc="Vision team", priority=5))
assert isinstance(made, TokenSuccess), made
token = made.result
assert (token.description, token.priority) == ("Vision team", 5)

found = token_list.sync_detailed(client=api, token=token.value)
assert found.parsed == [token]
assert found.headers["X-Total-Count"] == "1"

assert token_destroy.sync(client=api, token=token.value).code.value == "SUCCESS"
again = token_destroy.sync_detailed(client=api, token=token.value)
assert isinstance(again.parsed, Failure)
assert (again.status_code, again.parsed.code.value) == (404, "NOT_FOUND")
print("done")
