"""Draw the packages and their imports into ARCHITECTURE.md: `python -m tests.gate.picture`."""

import re
import sys
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- generated: make picture -->", "<!-- end -->"
APART = "clients"


def main() -> None:
    """Rewrite the generated part of the page."""
    PAGE.write_text(with_picture(PAGE.read_text()))


def with_picture(page: str) -> str:
    """Return the page with its generated part as the code has it now."""
    before, rest = page.split(BEGIN)
    _old, after = rest.split(END)
    return f"{before}{BEGIN}\n{picture()}\n{END}{after}"


def picture() -> str:
    """Return a diagram of the direct imports between packages, and a table of the layers with their reasons."""
    layers = _layers()
    rank = {package: number for number, (_why, packages) in enumerate(layers) for package in packages}
    imports = _imports([*rank, APART])
    down = {(a, b) for a, b in imports if rank.get(a, -1) < rank.get(b, -1)}
    lines = ["```mermaid", "flowchart TD"]
    for _why, packages in layers:
        if len(packages) > 1:
            lines += [f'    subgraph {"_".join(packages)} [" "]', *(f"        {name}" for name in packages), "    end"]
    lines += [f"    {a} --> {b}" for a, b in sorted(_reduced(down))]
    return "\n".join([*lines, "```", "", *_table(layers)])


def _layers() -> list[tuple[str, list[str]]]:
    """Return the layers of the import contract from the highest to the lowest, each as (reason, packages)."""
    text = (ROOT / ".importlinter").read_text()
    body = re.search(r"contract:layers\].*?\nlayers =\n(.*?)\n(?=#|\S)", text, re.S)
    if body is None:
        sys.exit("No contract of layers in .importlinter.")
    layers, why = [], ""
    for line in map(str.strip, body[1].splitlines()):
        if line.startswith("#"):
            why = line.lstrip("# ")
        elif line:
            layers.append((why, re.split(r"\s*[|:]\s*", line)))
    return layers


def _imports(packages: list[str]) -> set[tuple[str, str]]:
    """Return the direct imports between packages, those of interfaces to higher layers left out."""
    sys.path.insert(0, str(ROOT))
    graph = grimp.build_graph(*packages, cache_dir=None)
    found = ((module, other) for module in graph.modules for other in graph.find_modules_directly_imported_by(module))
    pairs = {(module.partition(".")[0], other.partition(".")[0]) for module, other in found}
    return {(a, b) for a, b in pairs if a != b}


def _reduced(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Leave out each arrow that a longer way already tells."""

    def reaches(start: str, goal: str, without: tuple[str, str]) -> bool:
        return any(
            (start, via) != without and (via == goal or reaches(via, goal, without)) for a, via in arrows if a == start
        )

    return {arrow for arrow in arrows if not reaches(*arrow, without=arrow)}


def _table(layers: list[tuple[str, list[str]]]) -> list[str]:
    rows = ["| package | why it stands there |", "| --- | --- |"]
    for why, packages in layers:
        names = ", ".join(f"[`{name}`]({name}/README.md)" for name in packages)
        rows.append(f"| {names} | {why} |")
    return rows


if __name__ == "__main__":
    main()
