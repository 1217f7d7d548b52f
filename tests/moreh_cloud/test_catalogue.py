"""Every text that our code or a template marks for translation has a Korean one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import unfold
from django.conf import settings
from django.utils import translation
from django.utils.translation.template import templatize

from tests.moreh_cloud.test_admin_korean import CATALOGUE, written

ROOT = Path(settings.BASE_DIR)
OWN = (
    *(
        "accounts",
        "alerts",
        "backends",
        "billing",
        "bulk",
        "console",
        "core",
        "events",
        "fleet",
        "idempotency",
        "inventory",
        "liveness",
    ),
    *("moreh_cloud", "notifications", "outbox", "remediation", "scheduler", "sda", "subscriptions", "tokens", "usage"),
)
UNFOLD = Path(unfold.__file__).parent
# Of pages that are not here: other apps' forms and data sets; and what a template of ours says in its own words.
UNSAID = {
    "\n                Found %(counter)s result in %(time)s seconds\n            ",
    "Add row",
    "After you've created a user, you\u2019ll be able to edit more user options.",
    "Dataset not found. No action performed.",
    "Raw passwords are not stored, so there is no way to see this user\u2019s password, but you can change the "
    'password using <a href="{}" class="text-primary-600 dark:text-primary-500">this form</a>.',
    "Submit",
    "You can not create nested object without parent",
}
FUZZY = re.compile(r'^#,.*\bfuzzy\b.*\n(?:#.*\n)*msgid ((?:".*"\n)+)', re.MULTILINE)


def imported(tree: ast.AST) -> set[str]:
    """Return the names under which a module knows gettext and its kin."""
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = [name for node in froms if node.module == "django.utils.translation" for name in node.names]
    return {name.asname or name.name for name in names if "gettext" in name.name}


def marked(code: str, known: set[str] | None = None) -> Iterator[tuple[int, str]]:
    """Return line and text of every call of gettext; a text that is computed is given as its code."""
    tree = ast.parse(code)
    names = known or imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            text = node.args["pgettext" in node.func.id]  # after the context
            yield node.lineno, str(text.value) if isinstance(text, ast.Constant) else ast.unparse(text)


def in_template(template: str) -> Iterator[str]:
    """Return every text of a template that is marked."""
    for call in re.findall(r"gettext\(u?(?:'(?:\\.|[^'])*'|\"(?:\\.|[^\"])*\")", templatize(template)):
        yield from (text for _, text in marked(f"{call})", {"gettext"}))


def everything() -> Iterator[tuple[str, str]]:
    for path in (path for folder in OWN for path in sorted((ROOT / folder).rglob("*.py"))):
        yield from ((f"{path.relative_to(ROOT)}:{line}", text) for line, text in marked(path.read_text("utf-8")))
    for path in sorted((ROOT / "templates").rglob("*.*")):
        yield from ((str(path.relative_to(ROOT)), text) for text in in_template(path.read_text("utf-8")))


def of_unfold() -> set[str]:
    """Return what unfold's own templates and filters say: it comes without Korean, and nobody but it marks these."""
    files = [*UNFOLD.glob("templates/**/*.html"), *UNFOLD.glob("contrib/filters/**/*.html")]
    texts = {text for path in files for text in in_template(path.read_text("utf-8"))}
    for path in (UNFOLD / name for name in ("admin.py", "forms.py", "widgets.py", "templatetags/unfold_list.py")):
        texts |= {text for _, text in marked(path.read_text("utf-8"))}
    for path in [*UNFOLD.glob("mixins/*.py"), *UNFOLD.glob("contrib/filters/*.py")]:
        texts |= {text for _, text in marked(path.read_text("utf-8"))}
    return texts


def test_every_marked_text_is_in_the_catalogue() -> None:
    korean, found = written(), list(everything())
    assert [f"{place} {text!r}" for place, text in found if text not in korean] == []
    assert {place.rpartition(".")[2].partition(":")[0] for place, _ in found} == {"py", "html"}


def test_no_translation_is_a_guess() -> None:
    fuzzy = FUZZY.findall(CATALOGUE.read_text("utf-8"))
    assert ["".join(ast.literal_eval(line) for line in lines.split("\n") if line) for lines in fuzzy] == []


def test_nothing_is_translated_that_no_one_says() -> None:
    assert sorted(set(written()) - {text for _, text in everything()} - of_unfold()) == []


def test_unfold_says_nothing_in_english_that_an_operator_reads() -> None:
    with translation.override("ko"):
        english = {text for text in of_unfold() if translation.gettext(text) == text}
    assert english == UNSAID
