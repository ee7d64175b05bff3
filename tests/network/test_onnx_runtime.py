"""Nobody is told what is computed here."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest
from helpers.paths import ROOT

OURS = ROOT / "sfpn" / "onnx_runtime.py"


def test_onnx_runtime_leaves_no_identifier_and_is_told_to_report_nothing(tmp_path):
    pytest.importorskip("onnxruntime", reason="needs onnxruntime (requirements-dev.txt)")
    code = (
        "from sfpn.onnx_runtime import onnx_runtime; onnx_runtime(); "
        "import os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr
    assert [str(path) for path in tmp_path.rglob("*") if "onnxruntime" in str(path)] == []


def test_nothing_else_imports_onnx_runtime_at_first():
    found = []
    for package in ("sfpn", "demo", "data_tools"):
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                if "onnxruntime" in names and file != OURS:
                    found.append(f"{file.name}:{node.lineno}")
    assert found == []
