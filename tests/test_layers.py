"""Imports go one way: app -> demo -> sfpn <- data_tools, read from the source without running it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = {"app", "demo", "sfpn", "data_tools"}
ALLOWED = {"app": {"demo", "sfpn"}, "demo": {"demo", "sfpn"}, "sfpn": {"sfpn"}, "data_tools": {"data_tools", "sfpn"}}
FROM_DATA_TOOLS = {"sfpn.schema", "sfpn.faces", "sfpn.errors", "sfpn.dataset", "sfpn.selection"}  # the data contract: writing and reading it
FILES = sorted([ROOT / "app.py", *(file for part in OURS - {"app"} for file in (ROOT / part).rglob("*.py"))])


def imported(file: Path) -> set[str]:
    """Full names of the modules that a file imports anywhere; `from a.b import c` counts as a.b."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = file.relative_to(ROOT).parts[: -node.level] if node.level else ()  # of a relative import
            module = ".".join(filter(None, (*package, node.module)))
            found |= {f"{module}.{alias.name}" if module in OURS else module for alias in node.names}
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_one_way(file):
    part = file.relative_to(ROOT).parts[0].removesuffix(".py")
    names = imported(file)
    assert {name.split(".")[0] for name in names} & OURS <= ALLOWED[part]
    if part not in ("app", "demo") and file != ROOT / "sfpn" / "training" / "plot.py":  # whose page plotly draws
        assert not {name for name in names if name.split(".")[0] in ("gradio", "plotly")}
    if part == "data_tools":
        assert {name for name in names if name.startswith("sfpn")} <= FROM_DATA_TOOLS


def test_there_is_something_to_check():
    assert len(FILES) > 30
