"""Every example of docs/rest is run, in order, against a live server: its status and what its answer shows."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from accounts.choices import Role
from accounts.services.access import open_access
from core.api.failures import STATUS
from tests import make
from tests.turns import by_turns

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.django_db(transaction=True)]
DOCS = Path(__file__).parents[2] / "docs" / "rest"
PAGES = sorted(page.name for page in DOCS.glob("*.md"))
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ANY = "…"
MARK = "=== next ==="


def two_jobs() -> None:
    """Let two jobs of one SDA wait."""
    accelerator = make.sda()
    make.job(accelerator)
    make.job(accelerator)


WORLDS: Mapping[str, Callable[[], None]] = {"scheduler.md": two_jobs, "from-v1.md": two_jobs}


def test_there_is_a_page_for_every_noun() -> None:
    nouns = ["alert", "auth", "backend", "check", "events", "inventory", "membership", "scheduler", "sda", "sdamodel"]
    nouns += ["outbox", "token", "usage"]
    assert sorted(["README.md", "from-v1.md", *(f"{noun}.md" for noun in nouns)]) == PAGES


@pytest.mark.parametrize("page", by_turns(PAGES))
def test_examples_of(page: str, live_server: "LiveServer", tmp_path: Path) -> None:
    WORLDS.get(page, lambda: None)()
    examples = read(page)
    access = open_access(make.operator(Role.GENERAL, username="kim"), actor=make.ACTOR).value
    answers = run([command for command, _answer in examples], live_server.url, access, tmp_path)
    for (command, expected), answer in zip(examples, answers, strict=True):
        if expected:
            compare(command, expected, answer)
        else:
            assert not answer, command


def read(page: str) -> list[tuple[str, str]]:
    """Return the commands of a page, each with the answer that it shows."""
    examples: list[tuple[str, str]] = []
    for block in BLOCK.findall((DOCS / page).read_text()):
        for line in block.splitlines():
            if line.startswith("$ "):
                examples.append((line[2:], ""))
            else:
                examples[-1] = (examples[-1][0], line)
    assert len(examples) > 2
    return examples


def run(commands: list[str], server: str, access: str, home: Path) -> list[str]:
    """Run the commands of a page in one shell, in order; curl adds the status to each answer that is shown."""
    (home / "shown").write_text('write-out = " %{http_code}"\n')
    shown = f'function curl {{ if [ -t 1 ] || [ "$BASH_SUBSHELL" = 0 ]; then command curl -K "{home}/shown" "$@"; ' + (
        'else command curl "$@"; fi; }'
    )
    script = "\n".join([shown, *(f"{command}\necho; echo '{MARK}'" for command in commands)])
    settings = {"SERVER": server, "API": f"{server}/api/v2", "AUTH": f"Authorization: Bearer {access}"}
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", **settings}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return [answer.strip() for answer in done.stdout.split(MARK)[:-1]]


def compare(command: str, expected: str, answer: str) -> None:
    """Compare the status and what the page shows of the answer."""
    body, _, status = answer.rpartition(" ")
    if not expected.startswith(("{", "[")):
        assert (body, status) == (expected, "200"), command
        return
    shown = json.loads(re.sub(r"(?<=: )…", f'"{ANY}"', expected))
    code = shown.get("code", "SUCCESS") if isinstance(shown, dict) else "SUCCESS"
    asked = re.search(r"# (\d{3})$", command)
    assert status == (asked[1] if asked else str(STATUS.get(code, 200))), f"{command}\n{answer}"
    difference = differs(shown, json.loads(body))
    assert not difference, f"{command}\n{difference}\n{body}"


def differs(shown: Any, real: Any, where: str = "") -> str:
    """Say where an answer is not as shown; keys that are not shown may be there, items of lists may not."""
    if shown == ANY:
        return ""
    if isinstance(shown, dict) and isinstance(real, dict):
        if where.endswith(("/result", "/details", "/env")) and not shown and real:
            return f"{where} is not empty"
        return next((d for name in shown if (d := _differs(shown, real, name, where))), "")
    if isinstance(shown, list) and isinstance(real, list):
        if len(shown) != len(real):
            return f"{where}: {len(real)} items, not {len(shown)}"
        return next((d for i, item in enumerate(shown) if (d := differs(item, real[i], f"{where}/{i}"))), "")
    return "" if shown == real and type(shown) is type(real) else f"{where}: {real!r}, not {shown!r}"


def _differs(shown: dict[str, Any], real: dict[str, Any], name: str, where: str) -> str:
    return differs(shown[name], real[name], f"{where}/{name}") if name in real else f"{where}/{name} is missing"
