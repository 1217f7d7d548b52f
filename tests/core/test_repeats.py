"""What PostgreSQL rolls back so that another transaction can go on is repeated on every interface, where it was all."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import OperationalError, connection, transaction

from accounts.choices import Role
from core.clock import db_now
from core.repeats import TRIES, repeated
from events.models import Event
from idempotency.models import KeptAnswer
from idempotency.services import RETENTION
from idempotency.tasks import tidy
from tests import make
from tests.admin_world import address, client_of
from tests.api import V2, client, done, refused
from tokens.models import Token, TokenGroup

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_postgresql,  # SQLite has one writer at a time
]
URL = f"{V2}/token"
KEY = {"HTTP_IDEMPOTENCY_KEY": "one"}
DEADLOCK = "DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$"
ADDS_A_TOKEN = 'INSERT INTO "tokens_token"'


class Rollbacks:
    """Be a database that rolls back the first so many transactions with a statement that begins like this."""

    def __init__(self, begin: str, times: int = 1) -> None:
        self._begin, self.left = begin, times

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.left and sql.startswith(self._begin):
            self.left -= 1
            execute(DEADLOCK, None, False, context)
        return execute(sql, params, many, context)


def added() -> tuple[int, int]:
    return Token.objects.count(), Event.objects.filter(action="CREATE_TOKEN").count()


@pytest.mark.parametrize("key", [{}, KEY])
def test_a_request_is_repeated(key: Any) -> None:
    api = client(Role.GENERAL)
    with connection.execute_wrapper(Rollbacks(ADDS_A_TOKEN, TRIES - 1)):
        answer = api.post(URL, {"desc": "Acme"}, **key)
    assert done(answer)
    assert added() == (1, 1)
    if key:
        assert api.post(URL, {"desc": "Acme"}, **key).content == answer.content
        assert added() == (1, 1)


@pytest.mark.parametrize("key", [{}, KEY])
def test_a_request_that_is_rolled_back_again_and_again_is_refused_and_not_kept(key: Any) -> None:
    api, rollbacks = client(Role.GENERAL), Rollbacks(ADDS_A_TOKEN, TRIES + 5)
    with connection.execute_wrapper(rollbacks):
        assert refused(api.post(URL, {"desc": "Acme"}, **key))[:2] == (503, "DATABASE_ERROR")
    assert (rollbacks.left, added(), KeptAnswer.objects.count()) == (5, (0, 0), 0)


@pytest.mark.parametrize(("method", "changes"), [("put", {"desc": "Other"}), ("delete", {})])
def test_changes_and_deletions_are_repeated(method: str, changes: dict[str, str]) -> None:
    api, token = client(Role.GENERAL), make.token()
    rollbacks = Rollbacks('UPDATE "tokens_token"')
    with connection.execute_wrapper(rollbacks):
        done(getattr(api, method)(URL, {"token": token.value, **changes}))
    assert rollbacks.left == 0


def test_a_page_is_repeated_and_says_so_once() -> None:
    browser, rollbacks = client_of(Role.GENERAL), Rollbacks('INSERT INTO "tokens_tokengroup"')
    with connection.execute_wrapper(rollbacks):
        answer = browser.post(address(TokenGroup, "add"), {"name": "team", "index": 0})
    assert (rollbacks.left, TokenGroup.objects.count()) == (0, 1)
    assert (answer.status_code, len(get_messages(answer.wsgi_request))) == (302, 1)


def test_a_task_is_repeated() -> None:
    KeptAnswer.objects.create(operator_id=1, key="old", fingerprint="", kept_at=db_now() - 2 * RETENTION)
    rollbacks = Rollbacks('DELETE FROM "answers_keptanswer"')
    with connection.execute_wrapper(rollbacks):
        tidy()
    assert (rollbacks.left, KeptAnswer.objects.count()) == (0, 0)


def test_what_was_partly_committed_is_not_repeated() -> None:
    def two_transactions() -> None:
        make.token()
        with connection.execute_wrapper(Rollbacks(ADDS_A_TOKEN)):
            make.token()

    with pytest.raises(OperationalError, match="deadlock"):
        repeated(two_transactions)
    assert added() == (1, 1)


def test_what_was_rolled_back_before_does_not_count_as_committed() -> None:
    def tried_and_done() -> None:
        with suppress(KeyError), transaction.atomic():
            make.token()
            raise KeyError
        with connection.execute_wrapper(rollbacks):
            make.token()

    rollbacks = Rollbacks(ADDS_A_TOKEN)
    repeated(tried_and_done)
    assert (rollbacks.left, added()) == (0, (1, 1))


def test_inside_a_transaction_the_error_goes_to_whoever_began_it() -> None:
    rollbacks = Rollbacks(ADDS_A_TOKEN)
    with (
        connection.execute_wrapper(rollbacks),
        pytest.raises(OperationalError, match="deadlock"),
        transaction.atomic(),
    ):
        repeated(make.token)
    assert added() == (0, 0)
