"""What is asked of every page of the console in a browser, and how it is read."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from django.conf import settings
from django.utils import translation
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

HERE = Path(__file__).parent
LIVE = "*/console/live/*"  # blocked, because a stream would outlive the test
# What a page asks and is rightly refused: the blocked stream, and the self-check of a world without processes.
REFUSED = ("/console/live/", "/api/check")
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Every visible piece of text, and what screen readers and fields say in its place; not what is data: codes, figures.
TEXTS = """() => {
  const found = new Set();
  const skipped = ".material-symbols-outlined, script, style, template, pre, code, [lang]:not(html)";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const around = node.parentElement;
    if (!around.closest(skipped) && around.checkVisibility()) found.add(node.data.replace(/\\s+/g, " ").trim());
  }
  for (const name of ["aria-label", "placeholder", "title", "alt"])
    for (const thing of document.querySelectorAll(`[${name}]`)) found.add(thing.getAttribute(name).trim());
  return [...found].filter(Boolean);
}"""
# Everybody logs out, chooses a language and keeps filters; a list's form without a button or a choice sends nothing.
FORMS = """() => [...document.querySelectorAll("form")]
  .filter((form) => form.method === "post" && !/\\/(logout|i18n|filters)\\//.test(form.action))
  .filter((form) => form.querySelector("button:not([type=button]), [type=submit], [type=image], [name=action]"))
  .map((form) => form.action)"""
# Half a transition has half its contrast.
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"
# What is told is of the grave rules, so the others need not run; none of those reads style sheets or media itself.
AXE = """async () => {
  const isGrave = (one) => ["serious", "critical"].includes(one.impact);
  const mild = axe._audit.rules.filter((rule) => rule.impact && !isGrave(rule));
  const rules = Object.fromEntries(mild.map((rule) => [rule.id, { enabled: false }]));
  const { violations } = await axe.run(document, { resultTypes: ["violations"], rules, preload: false });
  const grave = violations.filter(isGrave);
  const why = (node) => node.any.map((check) => check.message).join("; ").slice(0, 150);
  return grave.flatMap((one) => one.nodes.map((node) => [one.id, node.target.flat().join(" "), why(node)]));
}"""


@dataclass(frozen=True)
class View:
    """Who looks, in which language and in which light."""

    role: str
    language: str
    scheme: Literal["light", "dark"]

    def __str__(self) -> str:
        return f"{self.role} {self.language} {self.scheme}"


@dataclass
class Visit:
    """One view's browser window, and what it complained about."""

    page: Page
    view: View
    complaints: list[str] = field(default_factory=list)

    def hear(self) -> None:
        """Write down from now on what the page and its scripts complain about."""
        self.page.on("pageerror", lambda error: self.complaints.append(f"error {error}"))
        self.page.on("console", self._hear)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(part in message.location.get("url", "") for part in REFUSED):
            self.complaints.append(f"console {message.text}")

    def open(self, address: str) -> list[str]:
        """Open a page and tell what is wrong with it, whoever looks."""
        self.complaints.clear()
        answer = self.page.goto(address)
        wrong = [] if answer and answer.status == 200 else [f"status {answer and answer.status}"]
        if self.page.evaluate("document.documentElement.lang") != self.view.language:
            wrong.append("language")
        if wide := self.page.evaluate(SIDEWAYS):
            wrong.append(f"{wide} px too wide")
        if self.view.language == "ko":
            wrong += [f"English: {text}" for text in self.page.evaluate(TEXTS) if untranslated(text)]
        return [*wrong, *self.complaints]

    def barriers(self, axe: str, excepted: dict[tuple[str, str], str]) -> list[str]:
        """Tell what axe finds of serious or critical impact on the page."""
        self.page.add_style_tag(content=STILL)
        if not self.page.evaluate("'axe' in window"):
            self.page.context.add_init_script(axe)  # of the next pages: half a megabyte need not be sent to each
            self.page.evaluate(axe)
        found: list[list[Any]] = self.page.evaluate(AXE)
        return [
            f"axe {rule}: {target} ({why})"
            for rule, target, why in found
            if not any(rule == known_rule and part in target for known_rule, part in excepted)
        ]


def untranslated(text: str) -> bool:
    """Whether a text is English although there is a Korean one for it, in our catalogue or in a library's."""
    with translation.override("ko"):
        own_names = dict(settings.LANGUAGES).values()
        return text not in own_names and any(map(str.isalpha, text)) and translation.gettext(text) != text


def window(browser: Browser, view: View) -> tuple[BrowserContext, Visit]:
    """Open a window for a view, which nobody has logged in yet."""
    context = browser.new_context(
        viewport={"width": 1366, "height": 768}, color_scheme=view.scheme, locale=view.language, bypass_csp=True
    )
    page = context.new_page()
    without_live(page)
    visit = Visit(page, view)
    visit.hear()
    return context, visit


def without_live(page: Page) -> None:
    """Refuse the live streams of a page, which would outlive the test.

    Playwright's own routes switch the browser's cache off, so that each page costs twice; and with blocked URLs it
    tells of every request.
    """
    tool = page.context.new_cdp_session(page)

    def refuse(asked: dict[str, Any]) -> None:
        tool.send("Fetch.failRequest", {"requestId": asked["requestId"], "errorReason": "BlockedByClient"})

    tool.on("Fetch.requestPaused", refuse)
    tool.send("Fetch.enable", {"patterns": [{"urlPattern": LIVE}]})


def axe_in(folder: Path) -> str:
    """Return the source of axe, installed into a folder."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "axe" / name, folder)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return (folder / "node_modules/axe-core/axe.min.js").read_text("utf-8")
