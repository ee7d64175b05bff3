"""ONNX Runtime without its telemetry: from 1.29 on it reports to its maker from the moment it is imported.

It does so unless an environment variable forbids it before the import; its own switch comes too late, because by then
an identifier of this device lies in the user's cache. Nothing else in this project imports ONNX Runtime.
"""

from __future__ import annotations

import os
from typing import Any

NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"


def onnx_runtime() -> Any:
    """The package onnxruntime, which reports nothing. Raises ModuleNotFoundError if it is not installed."""
    os.environ[NO_TELEMETRY] = "1"
    import onnxruntime

    return onnxruntime
