"""The README stays true where a machine can tell: its tree names every file, its pictures and folders exist."""

import re
import subprocess

import pytest
from helpers.paths import ROOT

README = (ROOT / "README.md").read_text()


def test_tree_names_every_source_file():
    listed = subprocess.run(
        ["git", "ls-files", "app.py", "demo", "sfpn", "data_tools"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = {f for f in listed.stdout.split() if re.search(r"\.(py|js|css)$", f) and not f.endswith("__init__.py")}
    tree = README.split("## The tree")[1].split("```")[1]
    named = {line.split()[0] for line in tree.splitlines() if line.strip()}
    assert files - named == set()
    assert {name for name in named if not name.endswith("/")} - files == set()


def test_linked_files_exist():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
