"""A few hundred damaged files of every kind: read, or refused in one sentence. Thousands: tests/benchmarks/fuzz.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from helpers.paths import ROOT

CASES = 125  # pictures; a fifth as many of six other kinds
KINDS = 7


def test_damaged_files_are_read_or_refused():
    pytest.importorskip("onnxruntime", reason="ONNX files need onnxruntime")
    command = [sys.executable, "tests/benchmarks/fuzz.py", "--cases", str(CASES)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(results) == KINDS
    assert sum(result["cases"] for result in results) >= 2 * CASES
    assert all(result["refused"] > 0 for result in results)  # the damage reaches what is read
