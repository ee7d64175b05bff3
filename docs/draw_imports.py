"""Draws which package imports which, as a matrix: python docs/draw_imports.py ROOT PICTURE.svg

Rows import columns, both from the highest floor to the lowest.
Blue: a lower floor; grey: the same package; orange: neither, which the import contracts forbid.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from html import escape
from pathlib import Path

TOP = ("app", "demo", "data_tools", "sfpn")  # top-level packages, highest floor first
ORDER = (("commands",), ("training", "verification"), ("evaluation",), ("data",), ("network",), ("photos",), ("",))
FLOORS = {package: floor for floor, packages in enumerate(ORDER) for package in packages}  # of sfpn; "": its own files
CELL, LABEL, HEAD = 34, 190, 150  # px
INK, QUIET, GOOD, WRONG, INSIDE = "#1f2937", "#6b7280", "#0072b2", "#d55e00", "#9ca3af"


def package_of(module: str) -> str:
    """The row of a module, e.g. 'sfpn/photos' for sfpn.photos.photo; data_tools and training are one row each."""
    parts = module.split(".")
    if parts[0] == "data_tools" or len(parts) < 3:
        return parts[0]
    return "/".join(parts[:2])


def imported_by(file: Path, packages: set[str]) -> list[str]:
    """The modules of the project that a file imports, wherever in it, other than for type checkers only."""
    found = []
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for_types = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    unseen = {inner for node in for_types for inner in ast.walk(node)}
    for node in set(ast.walk(tree)) - unseen:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from demo.verify import tab` names a module, `from sfpn.schema import POSES` a thing in one
            found += [f"{node.module}.{a.name}" if node.module in packages else node.module for a in node.names]
    return [name for name in found if name.split(".")[0] in TOP]


def count_imports(root: Path) -> tuple[Counter, Counter]:
    """Files per package, and imports per (package, imported package)."""
    files, imports = Counter(), Counter()
    paths = [root / "app.py", *(path for top in TOP[1:] for path in sorted((root / top).rglob("*.py")))]
    packages = {".".join(path.parent.relative_to(root).parts) for path in paths}
    for path in paths:
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        importer = package_of(module)
        files[importer] += path.name != "__init__.py"
        for name in set(imported_by(path, packages)):
            imports[importer, package_of(name)] += 1
    return files, imports


def floor_of(package: str) -> tuple[int, int]:
    """Lower sorts first and may import what is later. Tabs share a floor, and so do training and verification."""
    top, _, rest = package.partition("/")
    inside = {"sfpn": FLOORS, "demo": {"": 1, "common": 2}}.get(top, {})
    return TOP.index(top), inside.get(rest, 0)


def draw(files: Counter, imports: Counter) -> str:
    """The matrix as SVG."""
    names = sorted((name for name in files if files[name]), key=lambda name: (floor_of(name), name))
    side = CELL * len(names)
    width, height = LABEL + side + 10, HEAD + side + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="#ffffff"/>'
    ]
    for i, name in enumerate(names):
        y, x = HEAD + CELL * i, LABEL + CELL * i
        label = f"{escape(name)} <tspan fill='{QUIET}'>{files[name]}</tspan>"
        parts.append(f'<text x="{LABEL - 8}" y="{y + 22}" text-anchor="end" fill="{INK}">{label}</text>')
        parts.append(f'<text transform="translate({x + 22},{HEAD - 8}) rotate(-60)" fill="{INK}">{escape(name)}</text>')
        for j, other in enumerate(names):
            colour = INSIDE if name == other else GOOD if floor_of(name) < floor_of(other) else WRONG
            parts.append(_cell(LABEL + CELL * j, y, imports[name, other], colour))
    return "\n".join([*parts, "</svg>", ""])


def _cell(x: int, y: int, count: int, colour: str) -> str:
    fill = colour if count else "#ffffff"
    box = f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" stroke="#e5e7eb" fill="{fill}"/>'
    if not count:
        return box
    return f'{box}<text x="{x + CELL / 2}" y="{y + 22}" text-anchor="middle" fill="#ffffff">{count}</text>'


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(draw(*count_imports(Path(sys.argv[1]))), encoding="utf-8")
