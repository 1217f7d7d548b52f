"""Secrets that no key decrypts: rows are read whole, what needs the secret is refused, and it can be set anew."""

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.core.serializers import serialize
from django.utils import translation

from accounts.choices import Role
from accounts.login.codes import plain
from accounts.models import SecondFactor
from accounts.services.two_factor import begin_two_factor, enable_two_factor, use_code
from alerts.models import Alert
from backends import work
from backends.choices import DEFAULT_GROUP, PowerVerb
from backends.models import Bmc, Device, PowerAction
from backends.services.power import request_power
from bulk.choices import IMPORT
from bulk.services import BulkRequest, begin_bulk
from bulk.work import carry_on
from core.crypto import Cipher, SecretUnreadable
from scheduler.cycle.tick import tick
from scheduler.models import Job
from scheduler.rpc.messages import read_orders
from sda.models import Sda
from tests import make
from tests.accounts.phone import code_of
from tests.admin_world import address, client_of, nouns, populate
from tests.api import V2, client, refused
from tests.texts.test_stored_rows import NO_CIPHER, spoil
from tokens.models import Token
from tokens.queries import find_token, tokens_like
from tokens.services import reveal_token, rotate_token, update_token

pytestmark = pytest.mark.django_db
FOREIGN = Fernet(Fernet.generate_key()).encrypt(b"s3cret").decode()
DAMAGED = {"of a key that is lost": FOREIGN, "cut": FOREIGN[:20], "no cipher at all": NO_CIPHER, "no ASCII": "é"}
MASK = "…"


def damage(table: str, column: str, pk: int, cipher: str = FOREIGN) -> None:
    key = "backend_id" if table == "backends_bmc" else "id"
    make.sql(f'UPDATE "{table}" SET "{column}" = %s WHERE "{key}" = %s', cipher, pk)  # type: ignore[arg-type] # noqa: S608


def stored(table: str, column: str, pk: int) -> str:
    row: Any
    (row,) = Token._base_manager.raw(f'SELECT id, "{column}" AS there FROM "{table}" WHERE id = {pk}')  # noqa: S608
    return str(row.there)


@pytest.fixture(scope="module", autouse=True)
def _end_drivers() -> Iterator[None]:
    yield
    work.pool().close()
    work.pool.cache_clear()


@pytest.fixture
def token() -> Token:
    made = make.token(description="Vision", env={"A": "1"})
    damage("tokens_token", "value", made.pk)
    damage("tokens_token", "env", made.pk)
    return Token.objects.get(pk=made.pk)


@pytest.mark.parametrize("case", DAMAGED)
def test_a_row_is_read_whole_and_saved_with_the_cipher_that_was_there(case: str) -> None:
    made = make.token(env={"A": "1"})
    damage("tokens_token", "value", made.pk, DAMAGED[case])
    damage("tokens_token", "env", made.pk, DAMAGED[case])
    row = Token.objects.get(pk=made.pk)
    row.description = "another"
    row.refresh_from_db(from_queryset=Token.objects.select_for_update())
    row.priority = 3
    row.save()
    again = Token.objects.get(pk=made.pk)
    assert (again.priority, stored("tokens_token", "value", made.pk), stored("tokens_token", "env", made.pk)) == (
        3, DAMAGED[case], DAMAGED[case],
    )  # fmt: skip


def test_whatever_uses_one_is_refused_with_table_id_and_column_and_never_the_cipher(token: Token) -> None:
    for use in (str, lambda secret: secret.encode(), lambda secret: secret[:4], lambda secret: f"{secret}", list):
        with pytest.raises(SecretUnreadable) as caught:
            use(token.value)
        assert caught.value.details == {"table": "tokens_token", "id": token.pk, "column": "value"}
    with pytest.raises(SecretUnreadable):
        token.env.items()
    with pytest.raises(SecretUnreadable):
        serialize("json", [token])
    assert isinstance(token.value, Cipher)
    assert FOREIGN not in f"{caught.value} {caught.value.place} {token.value!r}"
    assert caught.value.place == f"tokens_token {token.pk} value"


SHAPES: dict[str, Any] = {
    "a list": ["A"], "a text": "A", "a number": 5, "nothing": None, "an object inside": {"A": {"B": "c"}},
    "a number inside": {"A": 5},
}  # fmt: skip


@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize("role", [Role.GENERAL, Role.READ_ONLY])
@pytest.mark.usefixtures("static_files")
def test_an_environment_of_another_shape_is_unreadable_too(case: str, role: Role) -> None:
    made = make.token(env={"A": "1"})
    spoil("tokens_token", "env", made.pk, SHAPES[case])
    (shown,) = client(role).get(f"{V2}/token").json()
    assert shown["env"] == {MASK: MASK}
    browser = client_of(role)
    pages = [address(Token, "changelist"), address(Token, "change", made.pk)]
    assert {page: browser.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)


def test_the_token_is_still_found_by_its_value_and_shown_masked() -> None:
    made = make.token(description="Vision", env={"A": "1"})
    value = made.value
    damage("tokens_token", "value", made.pk)
    damage("tokens_token", "env", made.pk)
    api = client()
    (shown,) = api.get(f"{V2}/token").json()
    assert (shown["value"], shown["env"], shown["description"]) == (MASK, {MASK: MASK}, "Vision")
    found = find_token(value)
    assert found is not None
    assert found.pk == made.pk
    assert (tokens_like("gAAA", by_value=True), tokens_like("visi", by_value=True)) == ([], [made.pk])
    changed = api.put(f"{V2}/token", {"token": value, "priority": 4}, format="json").json()["result"]
    assert (changed["priority"], changed["env"]) == (4, {MASK: MASK})
    assert stored("tokens_token", "env", made.pk) == FOREIGN
    changed = api.put(f"{V2}/token", {"token": value, "env": {"B": "2"}}, format="json").json()["result"]
    assert changed["env"] == {"B": "2"}


def test_it_cannot_be_revealed_and_can_be_rotated_and_set_anew(token: Token) -> None:
    with pytest.raises(SecretUnreadable):
        reveal_token(token, actor=make.ACTOR)
    update_token(token, actor=make.ACTOR, priority=7)
    update_token(token, actor=make.ACTOR, env={"B": "2"})
    new = rotate_token(token, actor=make.ACTOR).value
    row = Token.objects.get(pk=token.pk)
    assert (row.value, row.env, row.priority) == (new, {"B": "2"}, 7)


@pytest.mark.usefixtures("static_files")
@pytest.mark.parametrize("role", [Role.MASTER, Role.READ_ONLY])
def test_every_list_and_every_page_goes_on(role: Role) -> None:
    populate()
    for pk in Token.objects.values_list("pk", flat=True):
        damage("tokens_token", "value", pk)
        damage("tokens_token", "env", pk)
    for pk in Bmc.objects.values_list("pk", flat=True):
        damage("backends_bmc", "user", pk)
        damage("backends_bmc", "password", pk)
    for pk in PowerAction.objects.values_list("pk", flat=True):
        damage("backends_poweraction", "password", pk)
    browser, api = client_of(role), client(role)
    for model in nouns():
        row = model._default_manager.first()
        assert row is not None
        for page in (address(model, "changelist"), address(model, "change", row.pk)):
            assert browser.get(page).status_code == 200, page
    for kind in ("csv", "json"):
        for model in (Token, Sda, Device, Job):
            answer: Any = browser.get(address(model, "changelist") + f"export.{kind}")
            assert FOREIGN not in b"".join(answer.streaming_content).decode(), model
    span = "starttime=2026-01-01T00:00:00Z&endtime=2026-12-31T00:00:00Z"
    for path in (
        "/token", "/token/group", "/sda", "/scheduler/queue", "/scheduler/history", "/backend",
        "/backend/group", "/membership", "/sdamodel", "/sdamodel/group", f"/usage?{span}",
    ):  # fmt: skip
        answer = api.get(f"{V2}{path}{'&' if '?' in path else '?'}expand=tokenlist")
        assert answer.status_code == 200, (path, answer.content)
        assert FOREIGN not in answer.content.decode(), path


@pytest.mark.usefixtures("static_files")
def test_the_admin_says_so_and_lets_an_operator_set_other_ones(token: Token) -> None:
    node = make.backend(1, bmc_user="admin", bmc_password="p4ss")
    damage("backends_bmc", "password", node.pk)
    browser = client_of(Role.MASTER)
    with translation.override("ko"):
        unreadable = translation.gettext("unreadable")
    assert unreadable == "읽을 수 없음"
    said = browser.get(address(Token, "changelist"), headers={"accept-language": "ko"}).content.decode()
    assert said.count(unreadable) == 2
    page = address(Token, "change", token.pk)
    assert "The stored variables cannot be decrypted." in browser.get(page).content.decode()
    form = {
        "description": "Vision", "priority": "5", "max_sda_count": "1", "max_duplicates": "1", "max_devices": "",
        "access_level": "USER",
    }  # fmt: skip
    assert browser.post(page, {**form, "env-name": "", "env-value": ""}).status_code == 302
    assert browser.post(page, form).status_code == 302
    assert (Token.objects.get(pk=token.pk).priority, stored("tokens_token", "env", token.pk)) == (5, FOREIGN)
    assert browser.post(page, {**form, "env-name": "B", "env-value": "2"}).status_code == 302
    assert Token.objects.get(pk=token.pk).env == {"B": "2"}
    page = address(type(node), "change", node.pk)
    assert browser.get(page).content.decode().count("The stored one cannot be decrypted. Set it anew.") == 1


def test_a_start_with_such_an_environment_fails_alone_and_says_where() -> None:
    node = make.ready_backend(2)
    bad, good = make.job(), make.job()
    damage("tokens_token", "env", bad.token_id)
    tick(DEFAULT_GROUP)
    found = read_orders([node.pk], lambda _order: True)
    assert [message.order.start.job_id for _order, message in found.due] == [good.pk]
    bad.refresh_from_db()
    reason = f"the order cannot be written: tokens_token {bad.token_id} env"
    assert (bad.status, bad.detail) == ("FAILED", f"{node.name}: {reason}")


def test_a_sweep_names_the_node_and_asks_the_others() -> None:
    bad, other = make.backend(1, bmc_user="admin", bmc_password="p4ss"), make.backend(1)
    damage("backends_bmc", "password", bad.pk)
    for _ in range(2):
        work.sweep_power()
        Bmc.objects.update(checked_at=None)  # so that the next sweep asks again
    rows = Bmc.objects.in_bulk([bad.pk, other.pk])
    assert [(rows[pk].status, rows[pk].error) for pk in (bad.pk, other.pk)] == [
        ("unknown", "UNREADABLE_LOGIN"), ("unknown", "WEAK_AUTH"),
    ]  # fmt: skip
    alert = Alert.objects.get(category="BMC_UNREACHABLE", subject_id=bad.pk)
    assert alert.params["cause"] == "UNREADABLE_LOGIN"
    assert alert.text.endswith(": The stored user or password of the BMC cannot be decrypted. Set it anew.")
    work.probe_bmcs()


@pytest.mark.parametrize("whose", ["backends_bmc", "backends_poweraction"])
def test_a_power_action_fails_and_says_which_login(whose: str) -> None:
    node = make.backend(1, bmc_user="admin", bmc_password="p4ss")
    action = request_power(node, PowerVerb.ON, actor=make.ACTOR, password="own")
    pk = node.pk if whose == "backends_bmc" else action.pk
    damage(whose, "user" if whose == "backends_bmc" else "password", pk)
    work.drive(action.pk)
    action.refresh_from_db()
    column = "user" if whose == "backends_bmc" else "password"
    assert (action.state, action.code, action.message) == (
        "FAILED", "UNREADABLE_LOGIN", f"{whose} {pk} {column} cannot be decrypted",
    )  # fmt: skip


def test_who_logs_in_may_use_a_recovery_code_while_the_secret_of_the_app_is_unreadable() -> None:
    operator = make.operator()
    begin_two_factor(operator)
    codes = enable_two_factor(operator, code_of(operator), actor=make.ACTOR)
    factor = SecondFactor.objects.get(operator=operator)
    damage("accounts_secondfactor", "secret", factor.pk)
    with pytest.raises(SecretUnreadable) as caught:
        use_code(operator, "123456", actor=make.ACTOR)
    assert caught.value.place == f"accounts_secondfactor {factor.pk} secret"
    use_code(operator, plain(codes[0]), actor=make.ACTOR)


def test_a_kept_answer_that_is_unreadable_is_refused_and_nothing_is_done_twice() -> None:
    api = client()
    ask: dict[str, Any] = {
        "path": f"{V2}/token",
        "data": {"desc": "once"},
        "format": "json",
        "HTTP_IDEMPOTENCY_KEY": "k1",
    }
    assert api.post(**ask).status_code == 200
    make.sql("UPDATE answers_keptanswer SET body = %s", FOREIGN)  # type: ignore[arg-type]
    assert refused(api.post(**ask)) == (409, "SECRET_UNREADABLE", ["column", "id", "table"])
    assert Token.objects.filter(description="once").count() == 1


def test_rotating_keys_names_them_and_goes_on(token: Token) -> None:
    damage("tokens_token", "env", token.pk, DAMAGED["no ASCII"])
    failed = StringIO()
    with pytest.raises(CommandError, match="2 values cannot be decrypted"):
        call_command("rotate_keys", dry_run=True, stdout=StringIO(), stderr=failed)
    assert sorted(failed.getvalue().splitlines()) == [
        f"tokens_token.env: no key decrypts {token.pk}", f"tokens_token.value: no key decrypts {token.pk}",
    ]  # fmt: skip


def test_a_line_of_an_import_that_is_unreadable_fails_alone() -> None:
    lines = [json.dumps({"line": line, "values": {}}) for line in (1, 2)]
    order = BulkRequest("tokens.Token", IMPORT, [("1", "Kim"), ("2", "Lee")], payloads=lines)
    bulk = begin_bulk(order, operator=make.operator(), actor=make.ACTOR)
    bad = bulk.items.order_by("id")[0]
    damage("bulk_bulkitem", "payload", bad.pk)
    carry_on(bulk.pk)
    bulk.refresh_from_db()
    bad.refresh_from_db()
    assert (bulk.state, bulk.failed, bad.state, bad.message["code"]) == ("ENDED", 2, "FAILED", "SECRET_UNREADABLE")
    assert bad.message["details"] == {"table": "bulk_bulkitem", "id": bad.pk, "column": "payload"}
