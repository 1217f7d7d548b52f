"""Stored secrets are encrypted anew while everything runs."""

from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.management import CommandError, call_command
from django.db.models import F, TextField
from django.db.models.functions import Cast

from backends.models import Bmc
from core import key_rotation
from tests import make
from tokens.models import Token

pytestmark = pytest.mark.django_db
OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture(autouse=True)
def keys(settings: Any) -> Any:
    settings.MOREH_ENCRYPTION_KEYS = [OLD]
    return settings


def cipher(rows: Any, name: str) -> str:
    found: str = rows.values_list(Cast(F(name), TextField()), flat=True).get()
    return found


def run(**options: Any) -> list[str]:
    said = StringIO()
    call_command("rotate_keys", stdout=said, **options)
    return [line for line in said.getvalue().splitlines() if " 0 of 0 " not in line]


def test_every_secret_is_encrypted_with_the_first_key_and_reads_the_same(keys: Any) -> None:
    token = make.token(env={"KEY": "s3cret"})
    node = make.backend(0)
    Bmc.objects.filter(pk=node.pk).update(user="admin", password="p4ss")
    keys.MOREH_ENCRYPTION_KEYS = [NEW, OLD]
    expected = [
        "backends_bmc.password: 1 of 1 encrypted anew",
        "backends_bmc.user: 1 of 1 encrypted anew",
        "tokens_token.env: 1 of 1 encrypted anew",
        "tokens_token.value: 1 of 1 encrypted anew",
    ]
    assert sorted(run(dry_run=True)) == expected
    with pytest.raises(InvalidToken):
        Fernet(NEW).decrypt(cipher(Token.objects.filter(pk=token.pk), "value"))
    assert sorted(run()) == expected
    keys.MOREH_ENCRYPTION_KEYS = [NEW]
    again = Token.objects.get(pk=token.pk)
    bmc = Bmc.objects.get(pk=node.pk)
    assert (again.value, again.env, bmc.user, bmc.password) == (token.value, {"KEY": "s3cret"}, "admin", "p4ss")
    assert [line.split(": ")[1] for line in run()] == ["0 of 1 encrypted anew"] * 4


def test_a_value_that_was_changed_meanwhile_is_left_alone(keys: Any) -> None:
    token = make.token()
    rows = Token.objects.filter(pk=token.pk)
    keys.MOREH_ENCRYPTION_KEYS = [NEW, OLD]
    before = cipher(rows, "value")
    rows.update(value="another")
    done = key_rotation.Rotated("tokens_token", "value")
    key_rotation._renew(Token, "value", token.pk, before, done, dry_run=False)
    assert rows.get().value == "another"


def test_what_no_key_decrypts_is_named_and_the_others_go_on(keys: Any) -> None:
    lost, kept = make.token(), make.token()
    keys.MOREH_ENCRYPTION_KEYS = [OTHER]
    Token.objects.filter(pk=lost.pk).update(value="of another installation")
    keys.MOREH_ENCRYPTION_KEYS = [NEW, OLD]
    said, failed = StringIO(), StringIO()
    with pytest.raises(CommandError, match="1 values cannot be decrypted"):
        call_command("rotate_keys", stdout=said, stderr=failed)
    assert failed.getvalue() == f"tokens_token.value: no key decrypts {lost.pk}\n"
    keys.MOREH_ENCRYPTION_KEYS = [NEW]
    assert Token.objects.get(pk=kept.pk).value == kept.value
