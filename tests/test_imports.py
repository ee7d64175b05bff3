"""Which room may import which (the contracts in pyproject.toml), and that asking for help imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers.paths import ROOT

CONTRACTS = ("packages", "app", "floors", "tabs", "common", "gradio", "plotly")


@pytest.mark.parametrize("contract", CONTRACTS)
def test_import_contracts_hold(contract, monkeypatch, capsys):
    cli = pytest.importorskip("importlinter.cli", reason="import-linter is not installed")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    kept = cli.lint_imports(limit_to_contracts=(contract,), no_cache=True) == 0
    assert kept, capsys.readouterr().out


@pytest.mark.parametrize("words", [["--help"], ["compare", "--help"]])
def test_help_loads_no_torch(words):
    code = (
        "import sys\nfrom sfpn.__main__ import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        "print([name for name in ('torch', 'gradio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "[]", done.stderr


def test_without_a_command_the_commands_are_named():
    done = subprocess.run([sys.executable, "-m", "sfpn"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "the following arguments are required: COMMAND" in done.stderr
    listed = subprocess.run(
        [sys.executable, "-m", "sfpn", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    for command in ("verify", "compare", "train", "evaluate", "embed", "calibrate", "import-published"):
        assert f"\n    {command}" in listed.stdout, command
